/** What share of their packets the sessions with `auto` copy at the moment, and how that becomes flows. Pure. */
import type { MatchSpec } from "node-openflow";
import type { PortRef } from "../../network/model.js";
import { hashSteps } from "./fraction.js";

/** A port of which more is copied than of the others: of what comes in by it, and of what goes to the hosts behind it, wherever that comes in. */
export interface RaisedPort extends PortRef {
  /** So many times the base; a power of two. */
  readonly factor: number;
  /** Its hosts, at most `maxRaisedHosts` of them. */
  readonly macs: readonly string[];
}

/** One value for all sessions with `auto`: they share one hash, so a smaller share is part of a larger one. */
export interface Shares {
  /** Of 1,000 hash steps, those that are copied of every port that is not raised. */
  readonly base: number;
  readonly raised: readonly RaisedPort[];
}

/** Of 1,000 hash steps, those that a port with this factor copies. */
export const stepsAt = (base: number, factor: number): number => Math.min(hashSteps, base * factor);

/** Before anything was measured: little. */
export const firstShares: Shares = { base: hashSteps / 100, raised: [] };

export const maxRaised = 64;
export const maxRaisedHosts = 16;

/** Which packets of a session on a bridge belong to the share: those of a match whose hash is among the first so many steps. `inPorts`: interfaces of an edge port. */
export function shareRules(shares: Shares, bridge: string, edges: ReadonlySet<number>, inPorts: (edge: number) => readonly number[]): { readonly spec: MatchSpec; readonly steps: number }[] {
  return [
    { spec: {}, steps: shares.base },
    ...shares.raised.flatMap(({ bridge: on, ofport, factor, macs }) => {
      const steps = stepsAt(shares.base, factor);
      const from = on === bridge && edges.has(ofport) ? inPorts(ofport).map((inPort) => ({ spec: { inPort }, steps })) : [];
      // The answers come in elsewhere: a connection is copied in both directions or not at all.
      return [...from, ...macs.map((ethDst) => ({ spec: { ethDst }, steps }))];
    }),
  ];
}
