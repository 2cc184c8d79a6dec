/**
 * node dist/lab/measure/app-labels.js FOLDER…: application labels of the captures below these folders, beside what tshark makes of the same packets; and
 * the volume estimated from samples beside the full count. JSON lines, the last of each kind over all captures.
 */
import { execFileSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { RateEstimator } from "sflow-collector";
import { capturedPackets } from "../../src/telemetry/capture/capture-file.js";
import { flowsOf } from "../../src/telemetry/flows/offline.js";
import { flowKeyOf } from "../../src/telemetry/flows/tuple.js";

const print = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`);

function* capturesBelow(folder: string): Generator<string> {
  for (const name of readdirSync(folder).sort()) {
    const path = `${folder}/${name}`;
    if (statSync(path).isDirectory()) yield* capturesBelow(path);
    else if (/\.pcap(ng)?(\.gz)?$/.test(name)) yield path;
  }
}

/** tshark's names where they differ from ours; "" for what is no application. */
const theirNames: Readonly<Record<string, string>> = {
  data: "", "tcp.segments": "", _ws: "", "ip.fragment": "", ssl: "tls", bootp: "dhcp", dhcpv6: "dhcp", nbns: "netbios", nbdgm: "netbios", nbss: "smb", smb2: "smb", http2: "http", gquic: "quic", x11: "", "bt-utp": "", ntp: "ntp", rsl: "", elasticsearch: "", resp: "redis", memcache: "memcached", pgsql: "postgresql", "bat.gw": "batman-adv",
};
/** What TLS carries is known to us by port and ALPN; tshark says TLS. */
const ofTls = new Set(["https", "smtps", "imaps", "pop3s", "ldaps", "dns-over-tls", "ftps", "mqtts", "sips", "tls"]);
const ourName = (label: string): string => (ofTls.has(label) ? "tls" : label);

/** By flow: the application that tshark's dissectors named most often, where they named any. */
function theirLabels(file: string): Map<string, string> {
  const columns = ["frame.protocols", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "tcp.srcport", "tcp.dstport", "udp.srcport", "udp.dstport"];
  const text = execFileSync("tshark", ["-r", file, "-n", "-T", "fields", "-E", "separator=/t", "-E", "occurrence=f", ...columns.flatMap((name) => ["-e", name])], { encoding: "utf8", maxBuffer: 1 << 30, stdio: ["ignore", "pipe", "ignore"] });
  const counts = new Map<string, Map<string, number>>();
  for (const line of text.split("\n")) {
    const [stack = "", src4 = "", dst4 = "", src6 = "", dst6 = "", tcpSrc = "", tcpDst = "", udpSrc = "", udpDst = ""] = line.split("\t");
    const layers = stack.split(":");
    const at = layers.findIndex((name) => name === "tcp" || name === "udp");
    // Of an ICMP error the packet that it quotes is no packet of that flow.
    if (at < 0 || layers.slice(0, at).includes("icmp") || layers.slice(0, at).includes("icmpv6")) continue;
    const name = layers[at + 1] ?? "";
    const label = name in theirNames ? (theirNames[name] ?? "") : name;
    if (label === "") continue;
    const protocol = layers[at] === "tcp" ? 6 : 17;
    const { key } = flowKeyOf(protocol, { address: src4 || src6, port: Number(tcpSrc || udpSrc) }, { address: dst4 || dst6, port: Number(tcpDst || udpDst) });
    const own = counts.get(key) ?? new Map<string, number>();
    own.set(label, (own.get(label) ?? 0) + 1);
    counts.set(key, own);
  }
  return new Map([...counts].map(([key, own]) => [key, [...own].sort((x, y) => y[1] - x[1])[0]?.[0] ?? ""]));
}

/** Flows by what said their label, right and wrong by tshark. */
class Tally {
  withPayload = 0;
  labelled = 0;
  named = 0;
  right = 0;
  readonly byEvidence = new Map<string, { right: number; wrong: number; notNamed: number }>();
  readonly mistakes = new Map<string, number>();

  add(label: string, evidence: string, theirs: string | undefined): void {
    this.withPayload++;
    if (label !== "unknown") this.labelled++;
    const own = this.byEvidence.get(evidence) ?? { right: 0, wrong: 0, notNamed: 0 };
    this.byEvidence.set(evidence, own);
    if (theirs === undefined) {
      own.notNamed++;
      return;
    }
    this.named++;
    if (ourName(label) === theirs) {
      this.right++;
      own.right++;
      return;
    }
    own.wrong++;
    const mistake = `${label} (${evidence}), tshark: ${theirs}`;
    this.mistakes.set(mistake, (this.mistakes.get(mistake) ?? 0) + 1);
  }

  line(file: string) {
    const { withPayload, labelled, named, right } = this;
    return { what: "labels", file, flowsWithPayload: withPayload, labelledPercent: (100 * labelled) / withPayload, namedByTshark: named, rightPercent: (100 * right) / named, byEvidence: Object.fromEntries(this.byEvidence), mistakes: Object.fromEntries([...this.mistakes].sort((x, y) => y[1] - x[1]).slice(0, 8)) };
  }
}

/** Numbers from a seed (xorshift32). */
function randomOf(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 4_294_967_296;
  };
}

interface Volume {
  estimates: number;
  packetsCovered: number;
  bytesCovered: number;
  /** Estimates whose error is at most 196 * sqrt(1/n) %. */
  withinBound: number;
}

const repeats = 200;
const minSamples = 30;

/** Estimates of a capture's volume, sampled at random, beside the full count. */
async function volumeOf(file: string, samplingRate: number, into: Volume): Promise<void> {
  const lengths: number[] = [];
  for await (const read of capturedPackets(file, () => undefined)) for (const { frameLength } of read) lengths.push(frameLength);
  const [packets, bytes] = [lengths.length, lengths.reduce((sum, one) => sum + one, 0)];
  // A window of one second, and all of it is estimated at its end.
  for (let seed = 1; seed <= repeats; seed++) {
    const random = randomOf(seed * 2_654_435_761);
    const estimator = new RateEstimator<string>({ windowMs: 1_000, stepMs: 1_000 });
    for (const length of lengths) if (random() < 1 / samplingRate) estimator.add("all", samplingRate, length, 0);
    const [one] = estimator.estimates(999.999_999);
    if (one === undefined || one.samples < minSamples) continue;
    into.estimates++;
    const error = Math.abs(one.packetsPerS * 0.999_999_999 - packets) / packets;
    if (Math.abs(one.packetsPerS - packets) <= one.packetsErrorRatio * one.packetsPerS) into.packetsCovered++;
    if (Math.abs(one.bytesPerS - bytes) <= one.bytesErrorRatio * one.bytesPerS) into.bytesCovered++;
    if (error * 100 <= 196 * Math.sqrt(1 / one.samples)) into.withinBound++;
  }
}

const files = process.argv.slice(2).flatMap((folder) => [...capturesBelow(folder)]);
if (files.length === 0) throw new Error("usage: app-labels.js FOLDER… (with *.pcap, *.pcapng, also gzipped)");
const all = new Tally();
for (const file of files) {
  const [{ flows }, theirs] = [await flowsOf(file), theirLabels(file)];
  const own = new Tally();
  for (const { key, app } of flows) if (app !== undefined) for (const tally of [own, all]) tally.add(app.label, app.evidence, theirs.get(key));
  if (own.withPayload > 0) print(own.line(file));
}
print(all.line("all"));
for (const samplingRate of [4, 16, 64]) {
  const volume: Volume = { estimates: 0, packetsCovered: 0, bytesCovered: 0, withinBound: 0 };
  for (const file of files) await volumeOf(file, samplingRate, volume);
  const share = (count: number): number => (100 * count) / volume.estimates;
  print({ what: "volume", samplingRate, estimates: volume.estimates, packetsInIntervalPercent: share(volume.packetsCovered), bytesInIntervalPercent: share(volume.bytesCovered), errorWithinBoundPercent: share(volume.withinBound) });
}
