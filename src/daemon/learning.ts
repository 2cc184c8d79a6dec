/** Brings the addresses that live's NORMAL has learned to the shadow, every few seconds, on the bridges whose flows go by them. */
import { packetOut, action, port as reserved } from "node-openflow";
import { reaches } from "../config/level-schema.js";
import type { Config } from "../config/schema.js";
import { unixctl, vswitchdSocket } from "../network/unixctl.js";
import { LearnedAddresses, type BridgePair } from "../shadow/learned-addresses.js";
import { shadowBridge } from "../shadow/names.js";
import type { Controller } from "./controller.js";

const lookEveryMs = 3_000;
/** Bridges looked at in one look, in turn: each costs two questions to ovs-vswitchd. */
const bridgesAtOnce = 32;

export class Learning {
  readonly addresses: LearnedAddresses;
  private readonly controller: Controller;
  private readonly config: Config;
  private timer: NodeJS.Timeout | undefined;
  /** Where the next look begins. */
  private next = 0;

  constructor(controller: Controller, config: Config) {
    this.controller = controller;
    this.config = config;
    this.addresses = new LearnedAddresses(() => this.pairs());
  }

  start(): void {
    this.timer = setInterval(() => void this.addresses.look(), lookEveryMs);
    this.timer.unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.addresses.settled();
  }

  /** What an operator should know, as text. */
  problems(): string[] {
    const { failure } = this.addresses;
    return failure === undefined ? [] : [`learned addresses are not brought to the shadow: ${failure}`];
  }

  private *pairs(): Iterable<BridgePair> {
    const { controller, config } = this;
    const fdb = async (runDir: string, bridge: string): Promise<string> => unixctl(await vswitchdSocket(runDir), "fdb/show", [bridge]);
    if (controller.promotion.state !== "off") return; // what comes out of the shadow then goes to hosts
    const bridges = [...controller.shadow.network.bridges.keys()];
    const from = this.next < bridges.length ? this.next : 0;
    this.next = from + bridgesAtOnce;
    for (const bridge of bridges.slice(from, from + bridgesAtOnce)) {
      const connection = controller.shadow.connection(bridge);
      if (!reaches(controller.shadow.demand(bridge).level, "flows")) continue; // without flows there is nothing to learn for
      if (connection === undefined || controller.shadow.follower(bridge)?.usesNormal() !== true) continue;
      yield {
        bridge,
        live: () => fdb(config.openflow.runDir, bridge),
        shadow: () => fdb(config.shadow.remote?.runDir ?? config.openflow.runDir, shadowBridge(bridge)),
        untagged: (ofport) => controller.portTag({ bridge, ofport }),
        teach: (inPort, frame) => void connection.send(packetOut({ inPort, actions: [action.output(reserved.normal)], data: frame })),
      };
    }
  }
}
