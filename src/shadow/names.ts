/**
 * Names of the rows we insert. Bridges and kernel devices have at most 15 characters, so a name is a prefix, a letter for
 * the role and a hash of the live name; the row's external_ids say what it stands for.
 */
import { createHash } from "node:crypto";

const alphabet = "abcdefghijklmnopqrstuvwxyz234567";

/** Digests of the names asked for last: a bridge's is part of the name of each of its ports. */
const digests = new Map<string, string>();
const maxDigests = 4_096;

function digest(text: string): string {
  let known = digests.get(text);
  if (known === undefined) {
    if (digests.size >= maxDigests) digests.clear();
    digests.set(text, (known = makeDigest(text)));
  }
  return known;
}

/** Eight base-32 characters of the SHA-256 of `text`: 40 bits, so 1,000 bridges clash with probability 5e-7. */
function makeDigest(text: string): string {
  const bytes = createHash("sha256").update(text).digest();
  let bits = bytes.readUIntBE(0, 5);
  let out = "";
  for (let i = 0; i < 8; i++) {
    out += alphabet[bits % 32];
    bits = Math.floor(bits / 32);
  }
  return out;
}

/** The shadow bridge of a live bridge. 11 characters. */
export const shadowBridge = (live: string): string => `shs${digest(live)}`;
/** The adapter bridge between a live bridge and its shadow. 11 characters. */
export const adapterBridge = (live: string): string => `shx${digest(live)}`;

/** Live end of the patch through which copies of edge port `ofport` leave, or of all of them: the replica port. */
export const replica = (live: string, ofport: number | "all"): string => `shm${digest(live)}-${ofport}`;
/** Adapter end of the same patch. */
export const ingress = (live: string, ofport: number | "all"): string => `sha${digest(live)}-${ofport}`;
/** Adapter end of the patch to the shadow's edge port. */
export const egress = (live: string, ofport: number): string => `shb${digest(live)}-${ofport}`;
/** The adapter's device that shows what the shadow would deliver. 11 characters. */
export const deliveries = (live: string): string => `shd${digest(live)}`;
/** Shadow end of that patch: the shadow's port `ofport`. */
export const edge = (live: string, ofport: number): string => `she${digest(live)}-${ofport}`;
/** Shadow's port for a fabric link. */
export const fabric = (live: string, ofport: number): string => `shf${digest(live)}-${ofport}`;
/** The network namespace of the shadow node of an edge port, and the device that leads to it. 11 characters. `database`: uuid of its one Open_vSwitch row, because devices and namespaces of several switches may lie side by side. */
export const node = (database: string, live: string, ofport: number): string => `shn${digest(`${database} ${live}:${ofport}`)}`;
/** The Mirror row that reserves a replica port, and where it can copies its edge port. */
export const guard = (live: string, ofport: number | "all"): string => `shg${digest(live)}-${ofport}`;
/** An adapter's port of a sink, by the sink's place: a tunnel, or the patch to the collector bridge. */
export const sinkName = (live: string, place: number): string => `sht${digest(live)}-${place}`;
/** The collector bridge's end of that patch. */
export const collectorEnd = (live: string, place: number): string => `shu${digest(live)}-${place}`;
/** The one bridge in which sinks that are devices of the host lie. */
export const collectorBridge = "shk-collectors";
