import { databaseOptions } from "./database.js";
import { ConfigError, loadConfig, parseConfig } from "./load.js";

const problemsOf = (text: string): readonly string[] => {
  try {
    parseConfig(text, "c.yaml");
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
};

test("an empty file is the defaults", () => {
  const config = parseConfig("", "c.yaml");
  expect(config).toMatchObject({ bridges: "all", sflow: { samplingRate: 16 }, policy: { attack: { leaseS: 30 } } });
});

test("every problem is told with its place and path", () => {
  expect(problemsOf("shadow:\n  holdMs: -5\n  replicat: true\nsflow: { port: 70000 }\nbridges: []\n")).toEqual([
    expect.stringMatching(/^c\.yaml:5:10: bridges: /),
    expect.stringMatching(/^c\.yaml:2:11: shadow\.holdMs: /),
    "c.yaml:3:3: shadow.replicat: unknown key",
    expect.stringMatching(/^c\.yaml:4:16: sflow\.port: /),
  ]);
});

test.each([
  ["a: [", /^c\.yaml:1:/],
  ["shadow: {}\nshadow: {}\n", /^c\.yaml:2:1: /],
  ["- 1\n", /^c\.yaml:1:1: \(top level\): /],
  ["ovsdb: somewhere\n", /^c\.yaml:1:8: ovsdb: expected unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT/],
  ["ovsdb: tcp:10.0.0.1:6640,nowhere\n", /^c\.yaml:1:8: ovsdb: /],
  ["ovsdb: ssl:10.0.0.1:6640\n", /^c\.yaml:1:8: ovsdb: ssl: needs ovsdbTls/],
  ["ovsdbTls: { privateKey: k, certificate: c }\n", /^c\.yaml:1:11: ovsdbTls\.ca: /],
])("%j is refused with its place", (text, expected) => {
  expect(problemsOf(text)[0]).toMatch(expected);
});

test("a database over TLS, and a cluster of them", () => {
  const config = parseConfig("ovsdb: ssl:10.0.0.1:6640, ssl:[fe80::1]:6640\novsdbTls: { privateKey: k, certificate: c, ca: a, bootstrapCa: true }\n", "c.yaml");
  const tls = { privateKey: "k", certificate: "c", ca: "a", bootstrapCa: true };
  expect(databaseOptions(config)).toEqual({ remote: ["ssl:10.0.0.1:6640", "ssl:[fe80::1]:6640"], leaderOnly: "Open_vSwitch", tls });
  expect(databaseOptions(parseConfig("", "c.yaml"))).toEqual({ remote: ["unix:/run/openvswitch/db.sock"] });
});

test("a file that is not there is a problem, too", () => {
  expect(() => loadConfig("/nonexistent/c.yaml")).toThrow(/nonexistent.*ENOENT/);
});
