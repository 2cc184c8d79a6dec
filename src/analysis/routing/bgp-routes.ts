/** What an UPDATE does to the table of its sender. */
import { asPathText, type Attributes, type Nlri } from "./bgp-attributes.js";
import type { Update } from "./bgp.js";
import type { Rib, Speaker } from "./rib.js";
import type { Detail } from "./routing-event.js";

/** Attributes as plain facts, absent ones left out; next hop and reachability are told elsewhere. */
function facts(attributes: Attributes): Detail {
  const { origin, asPath, multiExitDisc, localPref, atomicAggregate, aggregator, communities, originatorId, clusterList, extendedCommunities, largeCommunities } = attributes;
  const all = { origin, asPath: asPath === undefined ? undefined : asPathText(asPath), multiExitDisc, localPref, atomicAggregate, aggregator, communities, originatorId, clusterList, extendedCommunities, largeCommunities };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

/** Takes an UPDATE into the table. Withdrawals first: a destination in both is announced (RFC 4271 section 4.3). */
export function applyUpdate(rib: Rib, speaker: Speaker, update: Update, nowMs: number): void {
  const { mpUnreach, mpReach, nextHop } = update.attributes;
  for (const nlri of [...update.withdrawn, ...(mpUnreach?.nlri ?? [])]) rib.withdraw(speaker, nlri, nowMs, "withdrawn");
  if (update.announced.length === 0 && (mpReach?.nlri.length ?? 0) === 0) return;
  const shared = facts(update.attributes);
  const announce = (nlri: Nlri, hop: string, attributes: Detail): void => rib.announce(speaker, { ...nlri, nextHop: hop, attributes }, nowMs);
  for (const nlri of update.announced) announce(nlri, nextHop ?? "", shared);
  if (mpReach === undefined) return;
  const { linkLocalNextHop } = mpReach;
  const withLocal = linkLocalNextHop === undefined ? shared : { ...shared, linkLocalNextHop };
  for (const nlri of mpReach.nlri) announce(nlri, mpReach.nextHop, withLocal);
}
