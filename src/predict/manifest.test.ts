import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { AttackModel } from "./attack-model.js";
import { ModelError, readModel, type Manifest } from "./manifest.js";

const shipped = `${import.meta.dirname}/../../models/attack-v1`;
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(`${tmpdir()}/model-`);
  cpSync(shipped, dir, { recursive: true });
});
afterEach(() => rmSync(dir, { recursive: true }));

const edit = (change: (manifest: Manifest) => unknown): void => {
  const manifest = JSON.parse(readFileSync(`${dir}/manifest.json`, "utf8")) as Manifest;
  writeFileSync(`${dir}/manifest.json`, JSON.stringify(change(manifest)));
};

test("the model we ship fits this program", () => {
  expect(readModel(shipped).manifest).toMatchObject({ name: "attack", kind: "attack" });
});

test.each<[string, (manifest: Manifest) => unknown, RegExp]>([
  ["features in another order", (m) => ({ ...m, features: [m.features[1], m.features[0], ...m.features.slice(2)] }), /feature 0 is "surge" in the model and "logPps" in this program/],
  ["a feature renamed", (m) => ({ ...m, features: m.features.map((name) => (name === "udpRatio" ? "udpShare" : name)) }), /feature 5 is "udpShare" in the model and "udpRatio"/],
  ["a feature missing", (m) => ({ ...m, features: m.features.slice(0, -1) }), /feature 18 is "\(none\)" in the model and "finRstRatio"/],
  ["a feature too many", (m) => ({ ...m, features: [...m.features, "extra"] }), /feature 19 is "extra" in the model and "\(none\)"/],
  ["another window", (m) => ({ ...m, windowMs: 5_000 }), /windows of 5000 ms/],
  ["a support that does not match", (m) => ({ ...m, support: { ...m.support, max: [1] } }), /support has 1 values for 19 features/],
  ["another file than it was made for", (m) => ({ ...m, sha256: "0".repeat(64) }), /model\.onnx: SHA-256 is [0-9a-f]{64}, the manifest says 0{64}/],
  ["no calibration", ({ calibration: _, ...m }) => m, /manifest\.json: calibration: /],
])("a model with %s is refused, saying what differs", async (_, change, message) => {
  edit(change);
  await expect(AttackModel.load(dir)).rejects.toThrow(message);
  await expect(AttackModel.load(dir)).rejects.toBeInstanceOf(ModelError);
});

test("a folder without a model, and a manifest that is no JSON, are refused by name", () => {
  writeFileSync(`${dir}/manifest.json`, "{");
  expect(() => readModel(dir)).toThrow(`${dir}/manifest.json: `);
  expect(() => readModel(`${dir}/none`)).toThrow(/none\/manifest\.json: ENOENT/);
});
