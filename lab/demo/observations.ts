/** The act "Observations": what is told of both networks while they run, held against what is known to happen. */
import type { QuerySeriesResponse } from "../../src/api/generated/ovsshadow/v1/history.js";
import type { ListFidelityResponse } from "../../src/api/generated/ovsshadow/v1/fidelity.js";
import type { ListDeviationsResponse, Profile } from "../../src/api/generated/ovsshadow/v1/observation.js";
import { startWebServer, webLoad } from "../traffic.js";
import { waitFor } from "../wait.js";
import { historyAt, settledMoment } from "./moment.js";
import type { Stage } from "./stage.js";

const act = "observations";
const probeRate = 1_000;
/** Of the probe's rate, for estimates over `overS`: about five standard deviations of what one packet in eight tells. */
const tolerance = 0.1;
const overS = 20;
/** Seconds of counters, exact but for the two ends: where the switch does not bring them up to date in time, half a second of packets. */
const countedS = 12;
/** The probe leaves live, and its copies leave the shadow, here. */
const probePort = "l2:2";
const webRate = 40;
const webSeconds = 2;

/** The mean from `from` on ("-20s", or a time), once at least so many seconds are recorded. */
async function mean(stage: Stage, subject: string, side: string, metric: string, from: string, seconds: number): Promise<number> {
  let values: number[] = [];
  await waitFor(
    async () => {
      const { points } = await stage.ctl<QuerySeriesResponse>("history", "--from", from, "--subject", subject, "--side", side, "--metric", metric);
      values = points.map(({ value }) => value);
      return values.length >= seconds;
    },
    `${metric} of ${subject} is recorded for ${seconds} s`,
    2 * overS * 1_000,
  );
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

export async function observations(stage: Stage): Promise<void> {
  stage.say("What a user looks at: rates of both networks, how true the copy is, who uses what, and the past.");
  const { live } = stage;
  const server = await startWebServer(live, "h1");
  const load = webLoad(live, "h3", "h1", webRate, webSeconds);
  const before = await settledMoment(stage);
  // Counters from here on: before, frames were put into the shadow and the topology changed, and it counts what that made it send.
  const since = new Date(before.atMs).toISOString();
  // Both networks change, so that the past is not simply the present.
  await live.ovs.ofctl("add-flow", "l1", "table=7,priority=77,ip,nw_dst=10.9.9.9,actions=drop");
  await waitFor(async () => {
    const { digests } = await historyAt(stage, Date.now());
    return digests["live l1 7"] !== undefined && digests["shadow l1 7"] !== undefined;
  }, "the change of both networks is recorded");
  const { state, digests, topology } = await historyAt(stage, before.atMs);
  const other = [
    ...[...new Set([...Object.keys(digests), ...Object.keys(before.digests)])].filter((key) => digests[key] !== before.digests[key]),
    ...[...new Set([...topology, ...before.topology])].filter((line) => topology.includes(line) !== before.topology.includes(line)),
  ];
  for (const line of other.slice(0, 5)) stage.say(`    other than it was: ${line}`);
  stage.figure(act, "a moment ago: digests and elements told", Object.keys(digests).length + topology.length, "", { text: "at least 30", ok: state.recording && Object.keys(digests).length + topology.length >= 30 });
  stage.figure(act, "of these other than seen by another way then", other.length, "", { text: "at most 0", ok: other.length === 0 });
  await live.ovs.ofctl("--strict", "del-flows", "l1", "table=7,priority=77,ip,nw_dst=10.9.9.9");

  const web = await load;
  await server.stop();
  const { services } = await stage.ctl<Profile>("profile");
  for (const { service, clients, conversations } of services) stage.say(`    profile: ${service}: ${clients} clients, ${conversations} conversations seen`);
  const isKnown = services.some(({ service }) => service === `${live.host("h1").ip} tcp/80`);
  stage.figure(act, "services in the profile", services.length, `(web: ${web.ok} connections of h3 to h1)`, { text: "h1's web among them", ok: isKnown });

  const pair = `pair:${live.host("h2").ip}>${live.host("h4").ip}`;
  const rates: [string, ...Parameters<typeof mean>][] = [
    ["live, by counters", stage, `port:${probePort}`, "live", "outPacketsPerS", since, countedS],
    ["shadow, by counters", stage, `port:${probePort}`, "shadow", "outPacketsPerS", since, countedS],
    ["live, by sFlow", stage, pair, "live", "packetsPerS", `-${overS}s`, overS - 3],
  ];
  for (const [what, ...series] of rates) {
    const rate = await mean(...series);
    stage.figure(act, `the probe: ${what}`, rate, "packets/s", { text: `${probeRate} ± ${tolerance * 100} %`, ok: Math.abs(rate - probeRate) <= tolerance * probeRate });
  }
  const { ports } = await stage.ctl<ListFidelityResponse>("fidelity");
  const judged = ports.reduce((sum, port) => ({ copied: sum.copied + port.copied, lost: sum.lost + port.lost }), { copied: 0, lost: 0 });
  const share = (judged.copied / Math.max(1, judged.copied + judged.lost)) * 100;
  stage.figure(act, "fidelity: what came in and was copied", share, `% of ${judged.copied + judged.lost} packets`, { text: "at least 99.9 %", ok: share >= 99.9 });
  const { deviations } = await stage.ctl<ListDeviationsResponse>("deviations");
  stage.figure(act, "deviations of the shadow from live", deviations.length, deviations.map(({ subject, cause, deviation, z }) => `${subject}: ${cause}, ${((deviation ?? 0) * 100).toFixed(1)} %, z ${z?.toFixed(1) ?? "-"}`).join("; "), { text: "none", ok: deviations.length === 0 });
  await stage.inStep(4);
  const { lost } = await stage.probeLost();
  stage.figure(act, "probe packets lost", lost, "packets", { text: "at most 0", ok: lost === 0 });
}
