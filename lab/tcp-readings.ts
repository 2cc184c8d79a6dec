/**
 * node dist/lab/tcp-readings.js SERVER HOST-PID PORT CLIENT-ADDRESS NAME, inside the lab: the round trip of one connection as the sender's kernel and as the daemon has
 * it, again and again. A JSON line a reading, with the moment it is of, until its input ends.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { TelemetryServiceClient, type ListConnectionsResponse } from "../src/api/generated/ovsshadow/v1/telemetry.js";
import { connectService } from "../src/cli/client.js";
import { readKernelState, type Reading } from "./tcp-accuracy.js";

const everyMs = 40;
const [server = "", pid = "", port = "", address = "", name = ""] = process.argv.slice(2);
const client = connectService({ server, output: "json", timeout: 10 }, TelemetryServiceClient);
const run = promisify(execFile);
let isEnding = false;
process.stdin.resume().on("end", () => (isEnding = true));

/** Ours is of the last packet that was looked at: packets of several edges are put into order first, which takes a moment. */
const ours = (): Promise<Reading | undefined> =>
  new Promise((resolve, reject) =>
    client.listConnections({ address, limit: 10 }, (error, answer: ListConnectionsResponse) => {
      if (error !== null) return reject(error);
      const found = answer.connections.find((one) => one.name === name);
      resolve(found?.client?.rttMs === undefined ? undefined : { by: "ours", tMs: found.lastMs, rttMs: found.client.rttMs });
    }),
  );
const kernel = async (): Promise<Reading | undefined> => {
  const beganMs = Date.now();
  const { stdout } = await run("mnexec", ["-a", pid, "ss", "-tinH", "sport", "=", `:${port}`]);
  const state = readKernelState(stdout);
  return state === undefined ? undefined : { by: "kernel", tMs: (beganMs + Date.now()) / 2, rttMs: state.rttMs };
};

while (!isEnding) {
  for (const reading of await Promise.all([kernel(), ours()])) if (reading !== undefined) process.stdout.write(`${JSON.stringify(reading)}\n`);
  await new Promise((resolve) => setTimeout(resolve, everyMs));
}
client.close();
