/**
 * Bundles: modifications applied all or none. OFPT_BUNDLE_* of OpenFlow 1.4; in 1.3 ONF extension 230, the same bodies in
 * experimenter messages.
 */
import { OpenFlowError } from "../errors.js";
import type { Version } from "../messages/flow.js";
import { onf } from "../messages/flow-monitor.js";
import type { Body } from "../messages/message.js";
import { Writer } from "../wire/reader.js";

const control = { open: 0, close: 2, commit: 4, discard: 6 } as const;
export type BundleControlRequest = keyof typeof control;
const onfBundleControl = 2300;
const onfBundleAdd = 2301;

export interface BundleOptions {
  /** In the order given. Default true. */
  readonly ordered?: boolean;
  /** No packet sees half of it. Default true; a port-mod in an atomic bundle fails in Open vSwitch 3.1. */
  readonly atomic?: boolean;
}
export function bundleFlags({ ordered = true, atomic = true }: BundleOptions): number {
  return (atomic ? 1 : 0) | (ordered ? 2 : 0);
}

export function bundleControl(version: Version, bundleId: number, request: BundleControlRequest, flags: number): Body {
  const bundleType = control[request];
  if (version >= 5) return { type: "bundleControl", bundleId, bundleType, flags };
  const out = new Writer();
  out.u32(bundleId);
  out.u16(bundleType);
  out.u16(flags);
  return { type: "experimenter", experimenter: onf, expType: onfBundleControl, data: out.done() };
}

/** `message`: a whole modification, with the xid this one is sent under. */
export function bundleAdd(version: Version, bundleId: number, flags: number, message: Uint8Array): Body {
  if (version >= 5) return { type: "bundleAdd", bundleId, flags, message };
  const out = new Writer();
  out.u32(bundleId);
  out.zeros(2);
  out.u16(flags);
  out.raw(message);
  return { type: "experimenter", experimenter: onf, expType: onfBundleAdd, data: out.done() };
}

/** What a bundle is rejected with: the first refusal's facts, and all of them as `cause`. */
export function bundleFailed(count: number, errors: readonly OpenFlowError[], commit?: unknown): OpenFlowError {
  const [first] = errors;
  const causes = first === undefined && commit instanceof OpenFlowError ? [commit] : errors;
  const why = causes[0]?.message ?? "no reason given";
  return new OpenFlowError("switch-rejected", `none of ${count} modifications applied: ${why}`, causes[0]?.facts ?? {}, causes);
}
