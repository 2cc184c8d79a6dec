// Runs every check and test and closes with the line "N passed, N failed", counted over all: each check without tests of
// its own counts as one. Exit status 1 when anything failed. What bears company runs two at a time; what measures delays and losses runs alone.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";

const bin = (name) => `node_modules/.bin/${name}`;
const dir = mkdtempSync(`${tmpdir()}/ovs-shadow-check-`);
let passed = 0;
let failed = 0;
let skipped = 0;

/** Runs a program; what it says comes out as it says it, or, when others run beside it, at its end. Resolves with whether it succeeded. */
async function run(what, program, args, isAlone) {
  if (isAlone) process.stdout.write(`\n== ${what}\n`);
  const start = performance.now();
  const child = spawn(program, args, { stdio: isAlone ? "inherit" : ["ignore", "pipe", "pipe"] });
  const said = [];
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => said.push(chunk));
  const status = await new Promise((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", resolve);
  });
  if (!isAlone) process.stdout.write(`\n== ${what}\n${Buffer.concat(said).toString()}`);
  process.stdout.write(`== ${what}: ${status === 0 ? "ok" : "FAILED"} (${((performance.now() - start) / 1000).toFixed(0)} s)\n`);
  return status === 0;
}

const check = (what, program, args) => async (isAlone) => {
  if (await run(what, program, args, isAlone)) passed++;
  else failed++;
};

const jest = (what, project, ...args) => async (isAlone) => {
  const file = `${dir}/${what.replaceAll(" ", "-")}.json`;
  const ok = await run(what, bin("jest"), ["--selectProjects", project, "--json", `--outputFile=${file}`, ...args], isAlone);
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
};
const integration = (what, pattern) => jest(what, "integration", "--runInBand", "--testPathPatterns", pattern);

/** Whole-daemon tests that wait for most of their time and measure no delay; the quick ones of them run behind those on the switch. */
const patient = "(copy-budget|flow-differences|nodes|observation)\\.test";
const quick = "(drift|every-port|explain-ports|flow-records|plan|sinks|staleness)\\.test";

await check("types", bin("tsc"), ["-b"])(true);
await Promise.all([
  jest("unit tests", "unit")(false),
  (async () => {
    await check("lint", bin("eslint"), ["."])(false);
    await check("imports", bin("depcruise"), ["--config", ".dependency-cruiser.cjs", "src", "lab", "bench", "openflow", "ovsdb", "sflow"])(false);
    await check("protocol buffers", bin("buf"), ["lint"])(false);
  })(),
]);
await Promise.all([integration("tests on Open vSwitch", `test/(ovs/|e2e/${quick})`)(false), integration("patient tests of the daemon", `test/e2e/${patient}`)(false)]);
await integration("tests of the daemon", `test/e2e/(?!${patient}|${quick})`)(true);
rmSync(dir, { recursive: true });
process.stdout.write(`\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}\n`);
process.exit(failed === 0 ? 0 : 1);
