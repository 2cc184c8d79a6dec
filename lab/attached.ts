/** A controller in this process on a private Open vSwitch, without hosts: for what is about rows and tables and not about traffic. */
import { pino } from "pino";
import { configSchema, type Config } from "../src/config/schema.js";
import { Controller } from "../src/daemon/controller.js";
import { Capsule } from "./capsule.js";
import { Ovs } from "./ovs.js";
import { waitFor } from "./wait.js";

export interface LiveShape {
  readonly bridges: number;
  /** Edge ports of each bridge: internal devices. */
  readonly edges: number;
  /** A ring of patch links between the bridges, when there are more than two. */
  readonly ring?: boolean;
}

/** Name of the nth live bridge, from 0. */
export const liveBridge = (n: number): string => `br${n}`;
const perCommand = 400;

/** Makes the live bridges, `fail_mode` secure, each port with an OpenFlow number of its own: edges from 1, links 1001 and 1002. */
export async function buildLive(ovs: Ovs, { bridges, edges, ring = true }: LiveShape): Promise<void> {
  const rows: string[][] = [];
  const links: string[][] = [];
  for (let n = 0; n < bridges; n++) {
    const name = liveBridge(n);
    rows.push(["add-br", name, "--", "set", "bridge", name, "datapath_type=netdev", "fail_mode=secure", "other-config:disable-in-band=true"]);
    for (let e = 1; e <= edges; e++) rows.push(["add-port", name, `p${n}-${e}`, "--", "set", "interface", `p${n}-${e}`, "type=internal", `ofport_request=${e}`]);
    if (!ring || bridges < 3) continue;
    const next = (n + 1) % bridges;
    const link = (from: number, to: number, side: "r" | "l", ofport: number): string[] => [
      "add-port", liveBridge(from), `f${from}${side}`, "--", "set", "interface", `f${from}${side}`, "type=patch", `options:peer=f${to}${side === "r" ? "l" : "r"}`, `ofport_request=${ofport}`,
    ];
    links.push(link(n, next, "r", 1001), link(next, n, "l", 1002));
  }
  rows.push(...links);
  for (let at = 0; at < rows.length; at += perCommand) {
    const args = rows.slice(at, at + perCommand).flatMap((row) => ["--", ...row]);
    await ovs.capsule.run("ovs-vsctl", ["--timeout=300", ...args], { timeoutMs: 300_000 });
  }
}

export class Attached implements AsyncDisposable {
  readonly ovs: Ovs;
  controller: Controller;
  readonly config: Config;
  /** When the controller was started, by performance.now(). */
  startedMs: number;

  private constructor(ovs: Ovs, config: Config, controller: Controller, startedMs: number) {
    this.ovs = ovs;
    this.config = config;
    this.controller = controller;
    this.startedMs = startedMs;
  }

  static async start(shape: LiveShape, config: Record<string, unknown> = {}, { beforeAttach }: { readonly beforeAttach?: (ovs: Ovs) => Promise<unknown> } = {}): Promise<Attached> {
    const ovs = await Ovs.start(await Capsule.start());
    try {
      await buildLive(ovs, shape);
      await beforeAttach?.(ovs);
      const whole = configSchema.parse({ ovsdb: ovs.remote, openflow: { runDir: ovs.runDir }, stateDir: ovs.capsule.path("/run/lab/state"), policy: { promotion: { automatic: false } }, ...config });
      const startedMs = performance.now();
      return new Attached(ovs, whole, await Attached.attach(whole), startedMs);
    } catch (error) {
      await ovs[Symbol.asyncDispose]();
      throw error;
    }
  }

  private static async attach(config: Config): Promise<Controller> {
    const controller = await Controller.create(config, pino({ level: process.env["LAB_LOG"] ?? "silent" }));
    controller.start();
    return controller;
  }

  /** Ends the controller, leaves the network as it is, and attaches again. */
  async restart(): Promise<void> {
    await this.controller.stop();
    this.startedMs = performance.now();
    this.controller = await Attached.attach(this.config);
  }

  /** Whether the shadows of this many bridges are in step. */
  isInStep(bridges: number): boolean {
    const { discovery, shadow } = this.controller;
    const states = discovery.settled ? shadow.status() : [];
    return states.length === bridges && states.every(({ state }) => state === "in step");
  }

  async inStep(bridges: number, timeoutMs = 60_000): Promise<void> {
    const shown = (): string => JSON.stringify(this.controller.shadow.status().filter(({ state }) => state !== "in step").slice(0, 3));
    await waitFor(() => this.isInStep(bridges), "every shadow is in step", timeoutMs).catch((error: unknown) => {
      throw new Error(`${String(error)}: ${shown()}`, { cause: error });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.controller.stop();
    await this.ovs[Symbol.asyncDispose]();
  }
}
