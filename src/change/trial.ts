/**
 * Tries block rules on the shadow, against the copies of live traffic as they come: how much of the attack and how much of
 * the benign traffic do they meet? The switch's own pipeline decides what a rule meets; captures say what that was.
 */
import type { PacketHeader } from "sflow-collector";
import type { FlowEntry } from "../network/flow-entry.js";
import type { Shadow } from "../shadow/shadow.js";
import { HeaderCapture, type CapturedHeader } from "../telemetry/header-capture.js";
import { trialFlow } from "./block-rule.js";
import type { Change, TrialReport } from "./change.js";
import { compose, ConversationTable, type SeenPacket } from "./evidence.js";
import { judgeTrial, type VerdictLimits } from "./verdict.js";

export interface TrialParts {
  readonly shadow: Pick<Shadow, "withTrial">;
  /** One-way streams to the victim that were there before the attack began. */
  readonly streamsBefore: (victim: string) => ReadonlySet<string>;
  /** Packets that came in by all replicated edge ports so far, by the ports' own counters. */
  readonly selected: () => Promise<number>;
  readonly limits: VerdictLimits;
  readonly trialMs: number;
  /** Milliseconds since the epoch, as captures have them. */
  readonly nowMs: () => number;
}

/** Frames already on their way when the window closes. */
const drainMs = 40;

function seen({ header }: { readonly header: PacketHeader }): SeenPacket | undefined {
  const { src, dst, protocol, srcPort, dstPort, tcpFlags } = header;
  return src === undefined || dst === undefined || protocol === undefined ? undefined : { src, dst, protocol, srcPort, dstPort, tcpFlags };
}

const within = (packets: readonly CapturedHeader[], fromMs: number, toMs: number): SeenPacket[] =>
  packets.flatMap((packet) => (packet.tMs >= fromMs && packet.tMs < toMs ? (seen(packet) ?? []) : []));

export async function runTrial(change: Change, parts: TrialParts): Promise<TrialReport> {
  const startedAtMs = parts.nowMs();
  const flows = new Map<string, FlowEntry[]>();
  for (const rule of change.rules) flows.set(rule.bridge, [...(flows.get(rule.bridge) ?? []), trialFlow(rule, change.id)]);
  const victims = new Set(change.rules.map((rule) => rule.ipv4Dst));
  const counts = await parts.shadow.withTrial(flows, async (devices) => {
    const captures: HeaderCapture[] = [];
    const start = async (names: readonly string[]): Promise<HeaderCapture[]> => {
      const started = await Promise.all(names.map((name) => HeaderCapture.start(name)));
      captures.push(...started);
      return started;
    };
    try {
      const [ingress, matched] = await Promise.all([start(devices.ingress), start(devices.matched)]);
      const before = await parts.selected();
      const fromMs = parts.nowMs();
      await new Promise((resolve) => setTimeout(resolve, parts.trialMs));
      const selected = (await parts.selected()) - before;
      const toMs = parts.nowMs();
      await new Promise((resolve) => setTimeout(resolve, drainMs));
      await Promise.all(captures.map((capture) => capture.stop()));
      const table = new ConversationTable();
      for (const capture of ingress) for (const packet of capture.packets) addTo(table, packet);
      const copied = ingress.flatMap((capture) => within(capture.packets, fromMs, toMs));
      const met = matched.flatMap((capture) => within(capture.packets, fromMs, toMs));
      // The captures are the second witness of the copy: what they lost counts as not copied.
      const seenCopies = ingress.reduce((sum, capture) => sum + capture.packets.filter(({ tMs }) => tMs >= fromMs && tMs < toMs).length, 0);
      const totals = { attackPackets: 0, attackMatched: 0, benignPackets: 0, benignMatched: 0 };
      for (const victim of victims) {
        const before = parts.streamsBefore(victim);
        const all = compose(copied, table, victim, before);
        const hit = compose(met, table, victim, before);
        totals.attackPackets += all.attack;
        totals.benignPackets += all.benign;
        totals.attackMatched += hit.attack;
        totals.benignMatched += hit.benign;
      }
      return { ...totals, fidelity: selected <= 0 ? 1 : Math.min(1, seenCopies / selected) };
    } finally {
      await Promise.all(captures.map((capture) => capture.stop()));
    }
  });
  const judged = judgeTrial(counts, parts.limits);
  return { startedAtMs, endedAtMs: parts.nowMs(), ...judged, attackPackets: counts.attackPackets, benignPackets: counts.benignPackets, fidelity: counts.fidelity };
}

function addTo(table: ConversationTable, packet: CapturedHeader): void {
  const one = seen(packet);
  if (one !== undefined) table.add(one);
}
