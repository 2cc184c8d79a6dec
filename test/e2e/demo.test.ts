/** The demo's acts as a test: every promise it prints must be kept. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { projectDir } from "../../lab/capsule.js";
import type { Figure } from "../../lab/demo/stage.js";

test("the demo runs to its end and every figure meets its bar", () => {
  const dir = mkdtempSync(`${tmpdir()}/demo-`);
  try {
    const file = path.join(dir, "figures.json");
    const { stdout } = spawnSync(process.execPath, [`${projectDir}/dist/lab/demo/main.js`, "--json", file], { encoding: "utf8", timeout: 280_000 });
    const result = JSON.parse(readFileSync(file, "utf8")) as { failure?: string; figures: Figure[] };
    const missed = result.figures.filter((figure) => figure.bar?.ok === false).map(({ act, what, value, bar }) => `${act}: ${what}: ${value}, ${bar?.text ?? ""}`);
    expect({ failure: result.failure, missed, end: stdout.slice(-200) }).toMatchObject({ missed: [] });
    expect(result.failure).toBeUndefined();
    // All eight acts left figures that were held against a bar.
    expect(new Set(result.figures.filter((figure) => figure.bar !== undefined).map((figure) => figure.act)).size).toBe(8);
  } finally {
    rmSync(dir, { recursive: true });
  }
}, 300_000);
