/** One action of a list, but for those that set a field (`set-fields.ts`) and those about headers (`header-actions.ts`). */
import { port, type Action } from "node-openflow";
import { runBundle, runGroup } from "./groups.js";
import { headerAction } from "./header-actions.js";
import { at } from "./layout.js";
import { learnedFlow } from "./learn.js";
import { output, toController } from "./outputs.js";
import { readBits, writeBits } from "./set-fields.js";
import { clearTracking, track } from "./tracking.js";
import type { WalkState } from "./walk-state.js";

const wholeTable = 0xff;

/** False: the rest of the list, and of the flow, is not executed. */
export function execute(walk: WalkState, one: Action): boolean {
  const { packet } = walk;
  switch (one.type) {
    case "output":
      output(walk, one.port, one.maxLen);
      return true;
    case "enqueue": {
      const own = walk.queueId;
      walk.queueId = one.queueId;
      output(walk, one.port, 0);
      walk.queueId = own;
      return true;
    }
    case "outputTrunc":
      output(walk, one.port, one.maxLen);
      return true;
    case "outputReg":
    case "outputReg2": {
      const to = readBits(packet, one.source, one.range.offset, one.range.bits);
      if (to !== undefined && to <= 0xffffn) output(walk, to >= 0xff00n ? Number(to) + 0xffff0000 : Number(to), one.maxLen);
      return true;
    }
    case "controller":
    case "controller2":
      toController(walk, one.type === "controller" ? one.maxLen : (one.options.maxLen ?? 0xffff));
      if (one.type === "controller2" && one.options.pause === true) walk.doubt("a controller decides how a paused packet goes on");
      return true;
    case "group":
      runGroup(walk, one.groupId);
      return true;
    case "resubmit16":
      walk.table(walk.tableId, one.inPort === port.inPort ? (packet[at.inPort] as number) : one.inPort);
      return true;
    case "resubmit":
      walk.table(one.tableId === wholeTable ? walk.tableId : one.tableId, one.inPort === port.inPort ? (packet[at.inPort] as number) : one.inPort);
      return true;
    case "clone":
      // Open vSwitch executes the action set for a clone as well.
      walk.onCopy(() => {
        walk.actions(one.actions);
        walk.executeActionSet();
      });
      return true;
    case "exit":
      walk.exits = true;
      walk.hasExited = true;
      return false;
    case "meter":
      walk.meters.push({ bridge: walk.bridge.state.name, meterId: one.meterId });
      return true;
    case "setQueue":
      walk.queueId = one.queueId;
      return true;
    case "popQueue":
      walk.queueId = 0;
      return true;
    case "learn":
    case "learn2": {
      const flow = learnedFlow(one, packet);
      if (flow === undefined) walk.doubt("a learn action names a field that is not known here");
      else walk.learned.push({ bridge: walk.bridge.state.name, flow });
      if (one.type === "learn2" && one.limit > 0) walk.doubt("whether a learn action's limit is reached");
      return true;
    }
    case "regMove":
    case "copyField": {
      const value = readBits(packet, one.source, one.sourceOffset, one.bits);
      if (value !== undefined) writeBits(packet, one.target, one.targetOffset, one.bits, value);
      return true;
    }
    case "stackPush":
      walk.stack.push(readBits(packet, one.field, one.offset, one.bits) ?? 0n);
      return true;
    case "stackPop": {
      const value = walk.stack.pop();
      if (value !== undefined) writeBits(packet, one.field, one.offset, one.bits, value);
      return true;
    }
    case "multipath":
      writeBits(packet, one.target, one.range.offset, one.range.bits, BigInt(walk.choose("a multipath action's hash", one.maxLink + 1)));
      return true;
    case "bundle":
    case "bundleLoad":
      runBundle(walk, one);
      return true;
    case "ct":
      track(walk, one);
      return true;
    case "ctClear":
      clearTracking(walk);
      return true;
    case "checkPktLarger": {
      const { frameLength } = walk.options;
      const isLarger = frameLength === undefined ? walk.choose(`whether the packet has more than ${one.pktLen} bytes`, 2) === 1 : frameLength > one.pktLen;
      writeBits(packet, one.field, one.offset, 1, isLarger ? 1n : 0n);
      return true;
    }
    case "resubmitCt":
      walk.doubt("a look-up by a connection's first packet");
      return true;
    case "note":
    case "sample":
    case "sample2":
    case "sample3":
    case "finTimeout":
    case "conjunction":
    case "debugSlow":
      return true;
    default:
      return headerAction(walk, one);
  }
}
