import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { criticalNames, learnCritical, printCritical, readCritical, type Shape } from "./critical-file.js";

const link = (a: string, b: string, up = true) => ({ a: { bridge: a, ofport: 1 }, b: { bridge: b, ofport: 2 }, up });
const host = (n: number, bridge: string) => [`02:00:00:00:00:0${n}`, { mac: `02:00:00:00:00:0${n}`, addresses: [`10.0.0.${n}`], at: { bridge, ofport: 9 } }] as const;
/** Two leaves on two spines, and an edge bridge behind the second leaf with an access bridge behind it, where nobody is. */
const network: Shape = {
  bridges: new Map(["l1", "l2", "s1", "s2", "e1", "x1"].map((name) => [name, {}])),
  links: [link("l1", "s1"), link("l1", "s2"), link("l2", "s1"), link("l2", "s2"), link("l2", "e1"), link("e1", "x1")],
  hosts: new Map([host(1, "l1"), host(2, "l2"), host(3, "e1")]),
};

test("learned: hosts that services need, bridges and links whose loss cuts hosts off; not what is doubled, not where nobody is", () => {
  const { devices, links } = learnCritical(network, new Map([["10.0.0.3", 2], ["02:00:00:00:00:01", 5], ["10.9.9.9", 7]]));
  expect(devices.map(({ name }) => name)).toEqual(["10.0.0.1", "10.0.0.3", "l2"]);
  expect(links.map((one) => one.link)).toEqual(["l2:1-e1:2"]);
  // Without its second spine the fabric hangs on the first.
  const single = learnCritical({ ...network, links: network.links.map((one) => (one.b.bridge === "s2" ? { ...one, up: false } : one)) }, new Map());
  expect(single.devices.map(({ name }) => name)).toEqual(["l2", "s1"]);
  expect(single.links.map((one) => one.link)).toEqual(["l1:1-s1:2", "l2:1-s1:2", "l2:1-e1:2"]);
});

test("written, edited and read again; a bad one is told with its place", () => {
  const dir = mkdtempSync(path.join(tmpdir(), "critical-"));
  try {
    const file = path.join(dir, "critical.yaml");
    const learned = learnCritical(network, new Map([["10.0.0.1", 1]]));
    const text = printCritical(learned);
    writeFileSync(file, text);
    expect(readCritical(file)).toEqual(learned);
    expect(criticalNames(readCritical(file))).toEqual(["10.0.0.1", "l2", "e1"]);
    writeFileSync(file, text.replace("devices:\n", "devices:\n  - name: dns1\n"));
    expect(criticalNames(readCritical(file))).toContain("dns1");
    writeFileSync(file, "links: [{ link: l1 }]\n");
    expect(() => readCritical(file)).toThrow(/critical\.yaml: links\.0\.link: expected BRIDGE/);
    writeFileSync(file, "devices: [\n");
    expect(() => readCritical(file)).toThrow(/critical\.yaml:\d+:\d+: /);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
