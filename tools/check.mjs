// Runs every check and test and closes with the line "N passed, N failed", counted over all: each check without tests of
// its own counts as one. Exit status 1 when anything failed.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";

const bin = (name) => `node_modules/.bin/${name}`;
const dir = mkdtempSync(`${tmpdir()}/ovs-shadow-check-`);
let passed = 0;
let failed = 0;
let skipped = 0;

function run(what, program, args) {
  process.stdout.write(`\n== ${what}\n`);
  const start = performance.now();
  const { status } = spawnSync(program, args, { stdio: "inherit" });
  process.stdout.write(`== ${what}: ${status === 0 ? "ok" : "FAILED"} (${((performance.now() - start) / 1000).toFixed(0)} s)\n`);
  return status === 0;
}

function check(what, program, args) {
  if (run(what, program, args)) passed++;
  else failed++;
}

function jest(project, ...args) {
  const file = `${dir}/${project}.json`;
  const ok = run(`${project} tests`, bin("jest"), ["--selectProjects", project, "--json", `--outputFile=${file}`, ...args]);
  try {
    const result = JSON.parse(readFileSync(file, "utf8"));
    passed += result.numPassedTests;
    failed += result.numFailedTests;
    skipped += result.numPendingTests + result.numTodoTests;
    // A suite that could not even be loaded has no failed test of its own.
    failed += result.testResults.filter((suite) => suite.status === "failed" && suite.assertionResults.length === 0).length;
    const slowest = result.testResults.map((suite) => ({ name: suite.name.replace(`${process.cwd()}/`, ""), s: (suite.endTime - suite.startTime) / 1000 })).sort((x, y) => y.s - x.s);
    for (const { name, s } of slowest.slice(0, 3)) process.stdout.write(`   ${s.toFixed(1)} s  ${name}\n`);
    if (!ok && result.numFailedTests === 0 && result.success) failed++;
  } catch (error) {
    process.stdout.write(`   no result: ${error.message}\n`);
    failed++;
  }
}

check("types", bin("tsc"), ["-b"]);
check("lint", bin("eslint"), ["."]);
check("imports", bin("depcruise"), ["--config", ".dependency-cruiser.cjs", "src", "lab", "bench", "openflow", "ovsdb", "sflow"]);
check("protocol buffers", bin("buf"), ["lint"]);
jest("unit");
jest("integration", "--runInBand");
rmSync(dir, { recursive: true });
process.stdout.write(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}\n`);
process.exit(failed === 0 ? 0 : 1);
