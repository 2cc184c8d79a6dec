/** node dist/lab/measure/tcp-accuracy.js: our round trips and retransmissions beside those of `ss -tin`, as JSON lines. */
import { Stage } from "../demo/stage.js";
import { compareTransfer, loseOneIn, narrow } from "../tcp-accuracy.js";
import { elapse } from "../wait.js";

const seconds = 8;
/** For the captures to have begun. */
const settleMs = 2_000;
const percent = (ours: number, theirs: number): number => (theirs === 0 ? (ours === 0 ? 0 : 100) : ((ours - theirs) / theirs) * 100);

await using stage = await Stage.build({ say: () => {}, config: "telemetry: { tcp: { enabled: true } }" });
stage.startDaemon();
await stage.inStep(4);
await stage.everyHostReachesEveryOther();
await elapse(settleMs);
let port = 6_000;
const measure = async (what: string): Promise<void> => {
  const { kernelRttMs, ourRttMs, pairErrorRatio, readings, kernel, ours } = await compareTransfer(stage, "h1", "h3", port++, seconds);
  const sent = ours.client?.retransmissions ?? 0;
  const line = { what, readings, kernelRttMs, ourRttMs, rttErrorPercent: percent(ourRttMs, kernelRttMs), pairErrorPercent: 100 * pairErrorRatio, kernelRetransmissions: kernel.retransmissions, ourRetransmissions: sent, retransmissionErrorPercent: percent(sent, kernel.retransmissions), kernelSegments: kernel.segmentsOut, ourSegments: ours.client?.segments, kernelBytes: kernel.bytesAcked - 1, ourBytes: ours.client?.appBytes, path: ours.client?.pathMs, back: ours.client?.returnMs, backMean: ours.server?.stampMs, stamp: ours.client?.stampMs };
  process.stdout.write(`${JSON.stringify(line)}\n`);
};
for (const kbit of [5_000, 20_000]) {
  await narrow(stage, "l2-eth1", kbit);
  await measure(`queue of ${kbit / 1_000} Mbit/s`);
}
await loseOneIn(stage, "h3", 50);
await measure("20 Mbit/s, one segment in 50 lost");
