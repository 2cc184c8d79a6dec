/**
 * Bundles: modifications applied all or none. OFPT_BUNDLE_* from OpenFlow 1.4 on; in 1.3 ONF extension 230, the same bodies in
 * experimenter messages.
 */
import { OpenFlowError } from "../errors.js";
import type { Body } from "../messages/message.js";
import type { Version } from "../wire/reader.js";

const control = { open: 0, close: 2, commit: 4, discard: 6 } as const;
export type BundleControlRequest = keyof typeof control;

export interface BundleOptions {
  /** In the order given. Default true. */
  readonly ordered?: boolean;
  /** No packet sees half of it. Default true; a port-mod in an atomic bundle fails in Open vSwitch 3.1. */
  readonly atomic?: boolean;
  /** Told of the bytes that are written, as of `apply`. */
  readonly wrote?: (bytes: number) => void;
}
export function bundleFlags({ ordered = true, atomic = true }: BundleOptions): number {
  return (atomic ? 1 : 0) | (ordered ? 2 : 0);
}

export function bundleControl(version: Version, bundleId: number, request: BundleControlRequest, flags: number): Body {
  const parts = { bundleId, bundleType: control[request], flags };
  return version >= 5 ? { type: "bundleControl", ...parts, properties: [] } : { type: "onfBundleControl", ...parts };
}

/** `message`: a whole modification, with the xid this one is sent under. */
export function bundleAdd(version: Version, bundleId: number, flags: number, message: Uint8Array): Body {
  return { type: version >= 5 ? "bundleAdd" : "onfBundleAdd", bundleId, flags, message };
}

/** What a bundle is rejected with: the first refusal's facts, and all of them as `cause`. */
export function bundleFailed(count: number, errors: readonly OpenFlowError[], commit?: unknown): OpenFlowError {
  const [first] = errors;
  const causes = first === undefined && commit instanceof OpenFlowError ? [commit] : errors;
  const why = causes[0]?.message ?? "no reason given";
  return new OpenFlowError("switch-rejected", `none of ${count} modifications applied: ${why}`, causes[0]?.facts ?? {}, causes);
}
