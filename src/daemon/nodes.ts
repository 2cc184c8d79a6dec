/**
 * Shadow nodes put together: which hosts have one, their namespaces and ports, the probes between them, and what these say beside live. A
 * daemon that starts again finds the nodes that are there; detaching leaves none.
 */
import type { Logger } from "pino";
import { errorText } from "../base/error-text.js";
import type { Observation } from "../base/observation.js";
import type { Config } from "../config/schema.js";
import { ipv4Of } from "../network/hosts.js";
import { edgePorts, portKey } from "../network/model.js";
import { Converger } from "../reconcile/converger.js";
import { choose, type Choice, type PairLoad, type Place } from "../shadow/nodes/choose.js";
import { inNode, NodeNamespaces } from "../shadow/nodes/namespaces.js";
import { nodeNumbers, type ShadowNode } from "../shadow/nodes/node.js";
import { PairComparison, type PairComparisonResult } from "../telemetry/pair-comparison.js";
import { Probes, type ProbedPair } from "../telemetry/probes/probes.js";
import type { Endpoint } from "../telemetry/probes/transfers.js";
import type { Controller } from "./controller.js";
import type { Observer } from "./observer.js";

export interface NodesParts {
  readonly controller: Controller;
  readonly config: Config["shadow"];
  readonly observer: Pick<Observer, "observatory" | "watch">;
  readonly log: Logger;
  /** ms since the epoch. */
  readonly nowMs: () => number;
  readonly isRoot: boolean;
}

/** A node as told: real or light, and why a real one does not work. */
export interface ListedNode {
  readonly name: string;
  readonly port: string;
  readonly mac: string;
  readonly address: string;
  readonly real: boolean;
  readonly why: string | undefined;
}

export interface ListedPair extends ProbedPair {
  readonly compared: PairComparisonResult | undefined;
}

/** What is missing is looked for this often, and the choice made anew. */
const lookMs = 2_000;
const chooseMs = 60_000;
const secondMs = 1_000;
/** Probes follow a hold at once, and its end when the flows have come back. */
const holdLookMs = 250;
const resumeMs = 1_000;
/** What the shadow's TCP says of the time right after a hold is about the hold. */
const settleMs = 3_000;

export class Nodes {
  private readonly parts: NodesParts;
  private readonly comparison = new PairComparison();
  private readonly converger: Converger;
  private namespaces: NodeNamespaces | undefined;
  private probes: Probes | undefined;
  private nodes: readonly ShadowNode[] = [];
  private choice: { readonly made: Choice; readonly tMs: number } | undefined;
  private kept: ReadonlySet<string> | undefined;
  /** Whom each node was told to reach. */
  private readonly peers = new Map<string, readonly ShadowNode[]>();
  private readonly failures = new Map<string, string>();
  private passFailure: string | undefined;
  private timers: NodeJS.Timeout[] = [];
  private resumedMs = -Infinity;
  private freeSinceMs = -Infinity;
  private unwatch: (() => void) | undefined;
  /** Namespaces made since the start: nodes that were there count none. */
  made = 0;

  constructor(parts: NodesParts) {
    this.parts = parts;
    this.converger = new Converger({
      pass: () => this.pass(),
      failed: (error) => {
        this.passFailure = errorText(error);
        parts.log.warn({ err: error }, "shadow nodes");
      },
      retryMs: lookMs,
    });
  }

  /** Why there are no nodes though they were asked for; undefined while all is well. */
  get failure(): string | undefined {
    const { config, isRoot } = this.parts;
    if (config.nodes.count === 0) return undefined;
    if (config.remote !== undefined) return "shadow nodes need the shadow on this host: shadow.remote is set";
    if (!isRoot) return "shadow nodes need root: network namespaces can't be made";
    if (this.choice?.made.nodes.length === 0) return "there are no shadow nodes yet: of no host with a place in the shadow an IPv4 address is known";
    return this.passFailure ?? [...this.failures].map(([name, why]) => `${name}: ${why}`)[0] ?? this.probes?.failure;
  }

  start(): void {
    const { config, isRoot, observer } = this.parts;
    // Without any asked for, what an earlier run left is still taken away; where that can't be done nothing is said.
    if (!isRoot || config.remote !== undefined || !config.enabled) return;
    this.unwatch = observer.watch((observation) => this.comparison.take(observation));
    this.timers = [setInterval(() => this.look(), lookMs), setInterval(() => this.everySecond(), secondMs), setInterval(() => void this.followHold(), holdLookMs)];
  }

  /** Ends probes and leaves the nodes, for a restart. */
  async stop(): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    this.timers = [];
    this.unwatch?.();
    await this.converger.stop();
    await this.probes?.stop();
    this.probes = undefined;
  }

  /** Ends the probes, lets `detach` take their ports, and takes the nodes away. */
  async detach(detach: () => Promise<void>): Promise<void> {
    await this.stop();
    await detach();
    await this.namespaces?.removeAll();
  }

  /** Real nodes, and with `light` a light one for each other edge port with a place in the shadow. */
  list(light: boolean): ListedNode[] {
    const real = new Map(this.nodes.map((node) => [portKey(node.at), node]));
    const listed = [...real].map(([port, { name, mac, address }]): ListedNode => ({ name, port, mac, address, real: true, why: this.failures.get(name) }));
    if (!light) return listed;
    const { discovery, shadow } = this.parts.controller;
    const database = this.parts.controller.databaseUuid ?? "";
    const names = this.namespaces ?? new NodeNamespaces(database);
    const hosts = new Map([...discovery.current.hosts.values()].map((host) => [portKey(host.at), host]));
    const others = edgePorts(discovery.current).filter((at) => !real.has(portKey(at)) && shadow.edges(at.bridge).includes(at.ofport));
    return [...listed, ...others.map((at): ListedNode => {
      const host = hosts.get(portKey(at));
      return { name: names.nameOf(at), port: portKey(at), mac: host?.mac ?? "", address: host === undefined ? "" : (ipv4Of(host) ?? ""), real: false, why: undefined };
    })];
  }

  pairs(): ListedPair[] {
    const compared = new Map(this.comparison.results.map((result) => [result.pair, result]));
    return (this.probes?.list() ?? []).map((pair) => ({ ...pair, compared: compared.get(pair.pair) }));
  }

  get held(): boolean {
    return this.probes?.held === true;
  }

  private look(): void {
    const { discovery, shadow } = this.parts.controller;
    // Before the network is known every node would look like one too many.
    if (discovery.settled && shadow.status().some(({ state }) => state === "in step")) this.converger.trigger();
  }

  private async pass(): Promise<void> {
    const { controller, config, nowMs } = this.parts;
    const database = controller.databaseUuid;
    if (database === undefined) return;
    const namespaces = (this.namespaces ??= new NodeNamespaces(database));
    const found = await namespaces.list();
    this.kept ??= new Set(found.map(({ at }) => at));
    const choice = this.chosen(nowMs());
    const wanted = this.numbered(choice.nodes, namespaces);
    const wantedNames = new Set(wanted.map(({ name }) => name));
    await this.leave(wanted);
    for (const { name } of found) if (!wantedNames.has(name)) await namespaces.remove(name);
    const there = new Set(found.map(({ name }) => name));
    const known = new Map(this.nodes.map((node) => [node.name, JSON.stringify(node)]));
    const ready: ShadowNode[] = [];
    for (const node of wanted) {
      const isKnown = there.has(node.name) && known.get(node.name) === JSON.stringify(node) && !this.failures.has(node.name);
      if (isKnown || (await this.make(namespaces, node, there.has(node.name)))) ready.push(node);
    }
    for (const name of this.failures.keys()) if (!wantedNames.has(name)) this.failures.delete(name);
    const isNew = JSON.stringify(ready) !== JSON.stringify(this.nodes) || wanted.some(({ name }) => !there.has(name));
    this.nodes = ready;
    this.kept = new Set(ready.map(({ at }) => portKey(at)));
    if (isNew) {
      controller.shadow.setNodes(ready, false);
      await controller.shadow.settle();
    }
    await this.probe(choice.pairs);
    this.passFailure = undefined;
    if (config.nodes.count === 0 && ready.length === 0) this.stopLooking();
  }

  /** The choice of a minute ago, while all its hosts are where they were, and not when it was made without knowing of any traffic. */
  private chosen(nowMs: number): Choice {
    const { controller, config, observer } = this.parts;
    const { hosts } = controller.discovery.current;
    const { shadow } = controller;
    const placed = [...hosts.values()].filter(({ at }) => shadow.edges(at.bridge).includes(at.ofport));
    const { count, maxPairs } = config.nodes;
    const fresh = choose({ hosts: placed, loads: pairLoads(observer.observatory), kept: this.kept ?? new Set(), count, maxPairs });
    const before = this.choice;
    const stands = before !== undefined && nowMs - before.tMs < chooseMs && before.made.nodes.length >= fresh.nodes.length && (before.made.busy > 0 || fresh.busy === 0) && before.made.nodes.every(({ mac, address, at }) => isThere(hosts.get(mac), address, portKey(at)));
    if (stands) return before.made;
    this.choice = { made: fresh, tMs: nowMs };
    return fresh;
  }

  private numbered(places: readonly Place[], namespaces: NodeNamespaces): ShadowNode[] {
    const byBridge = new Map<string, number[]>();
    for (const { at } of places) byBridge.set(at.bridge, [...(byBridge.get(at.bridge) ?? []), at.ofport]);
    const numbers = new Map([...byBridge].map(([bridge, edges]) => [bridge, nodeNumbers(edges)]));
    return places.flatMap((place) => {
      const ofport = numbers.get(place.at.bridge)?.get(place.at.ofport);
      return ofport === undefined ? [] : [{ ...place, name: namespaces.nameOf(place.at), ofport }];
    });
  }

  /** Nodes that go: their probes end first, then what they sent is counted, then their ports go. */
  private async leave(wanted: readonly ShadowNode[]): Promise<void> {
    const { shadow } = this.parts.controller;
    const staying = this.nodes.filter((node) => wanted.some((other) => JSON.stringify(other) === JSON.stringify(node)));
    if (staying.length === this.nodes.length) return;
    await this.probes?.setPairs([], []);
    shadow.setNodes(this.nodes, true);
    await shadow.settle();
    await this.parts.controller.readings.flushCounters("all").catch(() => undefined);
    await shadow.portCounters();
    this.nodes = staying;
    shadow.setNodes(staying, false);
    await shadow.settle();
  }

  private async make(namespaces: NodeNamespaces, node: ShadowNode, isThere: boolean): Promise<boolean> {
    try {
      await namespaces.make(node);
      this.peers.delete(node.name);
      if (!isThere) this.made++;
      this.failures.delete(node.name);
      return true;
    } catch (error) {
      const why = errorText(error);
      if (this.failures.get(node.name) !== why) this.parts.log.warn({ node: node.name, at: portKey(node.at), why }, "a shadow node can't be made");
      this.failures.set(node.name, why);
      return false;
    }
  }

  private async probe(pairs: Choice["pairs"]): Promise<void> {
    const { config, nowMs } = this.parts;
    const byAddress = new Map(this.nodes.map((node) => [node.address, node]));
    const real = pairs.flatMap(({ from, to }) => {
      const [a, b] = [byAddress.get(from), byAddress.get(to)];
      return a === undefined || b === undefined ? [] : [{ from: a, to: b }];
    });
    if (real.length === 0 && this.probes === undefined) return;
    for (const node of this.nodes) {
      const peers = real.flatMap(({ from, to }) => (from === node ? [to] : to === node ? [from] : []));
      const before = this.peers.get(node.name);
      if (before !== undefined && JSON.stringify(before) === JSON.stringify(peers)) continue;
      await this.namespaces?.setPeers(node.name, peers, before);
      this.peers.set(node.name, peers);
    }
    const { probesPerS, transferKiBPerS, tcpPort } = config.nodes;
    this.probes ??= new Probes({ probesPerS, transferBytesPerS: transferKiBPerS * 1_024, port: tcpPort, nowMs, observe: (observation) => this.heard(observation) });
    const named = real.map(({ from, to }) => ({ from: endpoint(from), to: endpoint(to) }));
    this.comparison.setPairs(real.flatMap(({ from, to }) => [`${from.address}>${to.address}`, `${to.address}>${from.address}`]));
    await this.probes.setPairs(named, [...new Set(real.flatMap(({ from, to }) => [from.name, to.name]))]);
  }

  private heard(observation: Observation): void {
    const isTcp = observation.values["probesSent"] === undefined;
    if (isTcp && this.parts.nowMs() - this.resumedMs < settleMs) return;
    this.parts.observer.observatory.tell(observation);
  }

  /** While the shadow carries the traffic, or a trial looks at what it meets, the probes rest. */
  private async followHold(): Promise<void> {
    const { probes } = this;
    if (probes === undefined) return;
    const { controller, nowMs } = this.parts;
    const now = nowMs();
    if (controller.shadow.nodesHeld) {
      this.freeSinceMs = Infinity;
      if (!probes.held) await probes.hold(true);
      return;
    }
    if (this.freeSinceMs === Infinity) this.freeSinceMs = now;
    if (!probes.held || now - this.freeSinceMs < resumeMs) return;
    this.resumedMs = now;
    this.comparison.restart();
    await probes.hold(false);
  }

  private everySecond(): void {
    const { nowMs } = this.parts;
    const { observatory } = this.parts.observer;
    for (const observation of this.comparison.advance(nowMs())) observatory.tell(observation);
    observatory.deviatingPairs = this.comparison.deviating;
  }

  private stopLooking(): void {
    for (const timer of this.timers) clearInterval(timer);
    this.timers = [];
  }
}

const endpoint = ({ name, address }: ShadowNode): Endpoint => ({ name, address, enter: ["nsenter", ...inNode(name)] });
const isThere = (host: { readonly addresses: readonly string[]; readonly at: Place["at"] } | undefined, address: string, at: string): boolean => host?.addresses.includes(address) === true && portKey(host.at) === at;

/** How busy pairs of live hosts are, by samples over 30 s. */
function pairLoads(observatory: Observer["observatory"]): PairLoad[] {
  return observatory.latest({ kind: "pair", windowMs: 30_000 }).flatMap(({ side, subject, values: { bitsPerS } }): PairLoad[] => {
    const [src, dst] = subject.name.split(">");
    return side !== "live" || bitsPerS === undefined || src === undefined || dst === undefined ? [] : [{ src, dst, bitsPerS }];
  });
}
