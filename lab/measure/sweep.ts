/**
 * What a probe of 1,000 packets/s loses beside a controller that thinks the switch its own and sweeps away, every two seconds, what is not
 * from it: with us as a guest, whose flows it finds, and without us, with a flow of an operator's that it finds.
 * `node dist/lab/measure/sweep.js [SECONDS]` measures each so long, 60 s by default. Prints one line of JSON for each: packets lost in how
 * many half seconds, of how many, and the longest gap between two arrivals in ms. ovs-vswitchd and the probe run with real-time priority, so
 * that a busy machine is not what loses them.
 */
import { projectDir } from "../capsule.js";
import { Stage } from "../demo/stage.js";
import { startProbe } from "../traffic.js";
import { elapse, waitFor } from "../wait.js";

const seconds = Number(process.argv[2] ?? 60);
const rate = 1_000;
const realTime = "chrt -a -r -p 1 $(cat /run/openvswitch/ovs-vswitchd.pid); for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline 2>/dev/null | grep -q tools/probe.py && chrt -r -p 2 ${p#/proc/}; done; true";

async function measure(isGuest: boolean): Promise<void> {
  await using stage = await Stage.build({ say: () => undefined, config: "forward: { enabled: false }\nbridges: [l1]" });
  const { live } = stage;
  const { ovs } = live;
  const ping = async (): Promise<boolean> => (await live.exec("h1", "ping", ["-q", "-c", "3", "-i", "0.05", "-W", "1", live.host("h2").ip], { mayFail: true })).code === 0;
  ovs.capsule.spawn("osken-manager", ["--ofp-tcp-listen-port", "6654", `${projectDir}/lab/tools/faucet_like.py`], { stdio: "ignore" });
  for (const device of ["l1-eth3", "l1-eth4"]) await ovs.vsctl("del-port", "l1", device);
  await ovs.vsctl("set-controller", "l1", "tcp:127.0.0.1:6654", "--", "set", "controller", "l1", "connection_mode=out-of-band");
  await waitFor(ping, "the other controller's network works", 60_000);
  const { receiver } = await startProbe(live, "h1", "h2", rate, 2 * seconds + 300);
  await waitFor(async () => (await receiver.ask()).received > rate / 2, "the probe arrives");
  await ovs.capsule.run("sh", ["-c", realTime]);
  if (isGuest) {
    stage.startDaemon();
    await stage.inStep(1, 60_000);
  }
  const first = await receiver.ask();
  let [last, events, longestGapMs] = [first, 0, 0];
  while (last.received - first.received < seconds * rate) {
    // What the controller then finds and sweeps; a guest's own flows are enough for it.
    if (!isGuest) await ovs.ofctl("add-flow", "l1", "table=200,priority=7,cookie=0x98,actions=drop");
    await elapse(500);
    const now = await receiver.ask();
    if (now.lost > last.lost) events++;
    longestGapMs = Math.max(longestGapMs, now.longestGapMs);
    last = now;
  }
  console.log(JSON.stringify({ mode: isGuest ? "guest" : "without us", lost: last.lost - first.lost, events, received: last.received - first.received, longestGapMs }));
}

await measure(true);
await measure(false);
