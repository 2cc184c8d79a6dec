import { parseRemote } from "./remote.js";

test.each([
  ["unix:/run/db.sock", false, false, { path: "/run/db.sock" }],
  ["punix:db.sock", true, false, { path: "db.sock" }],
  ["tcp:10.0.0.1:6640", false, false, { host: "10.0.0.1", port: 6640 }],
  ["ssl:db.example:6640", false, true, { host: "db.example", port: 6640 }],
  ["ssl:[2001:db8::1]:1", false, true, { host: "2001:db8::1", port: 1 }],
  ["ptcp:", true, false, { port: 6640 }],
  ["ptcp:0:127.0.0.1", true, false, { port: 0, host: "127.0.0.1" }],
  ["pssl:6641:[::]", true, true, { port: 6641, host: "::" }],
])("%s", (text, isPassive, isTls, address) => {
  expect(parseRemote(text)).toEqual({ text, isPassive, isTls, address });
});

test.each(["", "tcp:host", "tcp::1", "tcp:1.2.3.4:65536", "tcp:2001:db8::1:6640", "unix:", "ptcp:x", "pssl:70000", "udp:1.2.3.4:5"])("%j is no remote", (text) => {
  expect(() => parseRemote(text)).toThrow(expect.objectContaining({ kind: "transport" }) as Error);
});
