/** Whether a change that was pushed does on live what it should. */
import type { Change, Verification } from "../change/change.js";
import { cookie } from "../network/pipeline.js";
import type { Controller } from "./controller.js";

/** How long after a push its effect is looked at, and how often before it counts as having none: a flood may pause. */
const verifyAfterMs = 1_000;
const verifyLooks = 2;

export type VerifiedNetwork = { readonly readings: Pick<Controller["readings"], "flushCounters">; readonly discovery: Pick<Controller["discovery"], "connection"> };

/** Looks at the rules of a change on live: are they all there, and do they drop what they should? */
export async function verifyOnLive(controller: VerifiedNetwork, change: Change): Promise<Verification> {
  const startMs = Date.now();
  let found = { flows: 0, dropped: 0 };
  for (let look = 0; look < verifyLooks && found.dropped === 0; look++) {
    await new Promise((resolve) => setTimeout(resolve, verifyAfterMs));
    // Flows' counters are as old as the revalidators' last round, which a flood makes longer: they are brought up to date first.
    await controller.readings.flushCounters().catch(() => undefined);
    found = await rulesOnLive(controller, change);
  }
  const { flows, dropped } = found;
  const atMs = Date.now();
  return { atMs, ok: flows === change.rules.length && dropped > 0, droppedPackets: dropped, why: `${flows} of ${change.rules.length} rules are on live and dropped ${dropped} packets in ${atMs - startMs} ms` };
}

/** How many flows of a change live has, and what they have met. */
async function rulesOnLive({ discovery }: VerifiedNetwork, change: Change): Promise<{ readonly flows: number; readonly dropped: number }> {
  let [flows, dropped] = [0, 0];
  for (const bridge of new Set(change.rules.map((rule) => rule.bridge))) {
    for (const flow of (await discovery.connection(bridge)?.flowStats({ cookie: cookie("change", BigInt(change.id)) })) ?? []) {
      flows++;
      dropped += Number(flow.packetCount);
    }
  }
  return { flows, dropped };
}
