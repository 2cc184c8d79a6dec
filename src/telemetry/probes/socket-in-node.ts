/**
 * Makes one TCP socket where it is run, gives it to the process that ran it, and ends: a socket belongs to the network namespace in
 * which it was made, whoever holds it. `listen ADDRESS PORT` or `connect ADDRESS PORT FROM`.
 */
import { createServer, connect, type Server, type Socket } from "node:net";

const [what, address = "", port = "", from = ""] = process.argv.slice(2);
/** A peer that does not answer in this time is told as away. */
const connectMs = 5_000;

const give = (handle: Server | Socket): void => {
  process.send?.({ is: "made" }, handle, {}, () => process.exit(0));
};
const refuse = (error: Error): void => {
  process.send?.({ is: "failed", why: error.message }, undefined, {}, () => process.exit(1));
};

if (what === "listen") {
  const server = createServer({ pauseOnConnect: true });
  server.once("error", refuse);
  server.listen({ host: address, port: Number(port) }, () => give(server));
} else {
  const socket = connect({ host: address, port: Number(port), localAddress: from });
  socket.pause();
  socket.once("error", refuse);
  socket.once("connect", () => give(socket));
  setTimeout(() => refuse(new Error(`${address} does not answer within ${connectMs} ms`)), connectMs);
}
