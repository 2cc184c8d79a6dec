/** ovs-shadowctl propose block …: an operator's own block, tried like any other. */
import type { BlockRule, ProposeBlockResponse } from "../api/generated/ovsshadow/v1/shadow.js";
import { call, type GlobalOptions } from "./client.js";
import { printJson, printLine } from "./print.js";

export interface ProposeOptions extends GlobalOptions {
  readonly bridge: string;
  readonly inPort?: number;
  readonly dst: string;
  readonly ipProto?: number;
  readonly tcpSyn?: boolean;
  readonly tcpDst?: number;
  readonly udpSrc?: number;
  readonly udpDst?: number;
  readonly lease: number;
  readonly reason: string;
  readonly override?: string;
  readonly whatIf?: boolean;
}

export async function proposeBlock(options: ProposeOptions): Promise<void> {
  const { bridge, inPort, dst, ipProto, tcpSyn, tcpDst, udpSrc, udpDst } = options;
  const rule: BlockRule = { bridge, inPort, ipv4Dst: dst, ipProto, tcpSyn, tcpDst, udpSrc, udpDst, icmpType: undefined, laterFragment: undefined };
  const { change } = await call<ProposeBlockResponse>(options, (client, done) => client.proposeBlock({
    rules: [rule],
    leaseS: options.lease,
    reason: options.reason,
    override: options.override,
    whatIf: options.whatIf === true,
  }, done));
  if (options.output === "json") printJson(change);
  else printLine(`change ${change?.id}: ${change?.state}; ${change?.trial?.reasons.join("; ") ?? ""}`);
  if (change?.state === "rejected") process.exitCode = 1;
}
