import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { replaceFile } from "./replace-file.js";

test("a file is replaced whole, in a folder that is made; one that can't be leaves the old one", () => {
  const folder = mkdtempSync(`${tmpdir()}/replace-`);
  try {
    const file = `${folder}/state/kept.json`;
    replaceFile(file, "one");
    replaceFile(file, "two", { flush: false });
    expect([readFileSync(file, "utf8"), readdirSync(`${folder}/state`)]).toEqual(["two", ["kept.json"]]);
    writeFileSync(`${folder}/blocked`, "");
    expect(() => replaceFile(`${folder}/blocked/kept.json`, "three")).toThrow(/EEXIST|ENOTDIR/);
    expect(readFileSync(file, "utf8")).toBe("two");
  } finally {
    rmSync(folder, { recursive: true });
  }
});
