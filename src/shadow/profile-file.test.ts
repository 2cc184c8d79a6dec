import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { printProfile, profileSession, readProfile } from "./profile-file.js";
import { drawSubset, representation } from "./subset.js";

test("a profile that is written, edited and read again copies what it names; a bad one is told with its place", () => {
  const dir = mkdtempSync(path.join(tmpdir(), "profile-"));
  try {
    const file = path.join(dir, "part.yaml");
    const devices = Array.from({ length: 8 }, (_, i) => ({ name: `l1:${i + 1}`, role: "host", critical: i === 0, traffic: i }));
    const taken = drawSubset(devices, { share: 0.5, seed: 7 });
    const text = printProfile(7, 50, taken, representation(devices, taken, (device) => device.traffic, 7));
    writeFileSync(file, text);
    expect(readProfile(file).devices.map(({ port }) => port)).toEqual(taken.map(({ name }) => name).sort());
    writeFileSync(file, text.replace("devices:\n", "devices:\n  - port: l9:44\n"));
    expect(profileSession(readProfile(file)).origins).toContainEqual({ bridge: "l9", port: 44 });
    writeFileSync(file, text.replace("l1:1", "l1"));
    expect(() => readProfile(file)).toThrow(/part.yaml: devices.0.port: expected BRIDGE:PORT NUMBER/);
    expect(() => readProfile(path.join(dir, "none.yaml"))).toThrow(/none.yaml: ENOENT/);
    writeFileSync(file, "devices: [\n");
    expect(() => readProfile(file)).toThrow(/part.yaml:\d+:\d+: /);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
