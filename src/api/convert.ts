/** From the controller's values to the messages of the API, and from a request's rules to ours. */
import { blockRuleSchema, describeRule, type BlockRule } from "../change/block-rule.js";
import type { Change } from "../change/change.js";
import { portKey, type Network } from "../network/model.js";
import type { Prediction } from "../predict/onset.js";
import { shadowBridge } from "../shadow/names.js";
import type * as proto from "./generated/ovsshadow/v1/shadow.js";

/** A request that can't be taken; `field` is the path of what is wrong. */
export class InvalidArgument extends Error {
  override readonly name = "InvalidArgument";
  readonly field: string;
  constructor(field: string, what: string) {
    super(`${field}: ${what}`);
    this.field = field;
  }
}

/** Checks the rules of a request. Throws InvalidArgument naming the field. */
export function readRules(rules: readonly proto.BlockRule[]): BlockRule[] {
  if (rules.length === 0) throw new InvalidArgument("rules", "at least one is needed");
  return rules.map((rule, i) => {
    const present = Object.fromEntries(Object.entries(rule).filter(([, value]) => value !== undefined));
    const parsed = blockRuleSchema.safeParse(present);
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    throw new InvalidArgument(`rules[${i}].${issue?.path.join(".") ?? ""}`, issue?.message ?? "not a rule");
  });
}

export function changeMessage(change: Change): proto.Change {
  return {
    id: change.id,
    kind: change.kind,
    state: change.state,
    by: change.origin.by,
    reason: change.origin.reason,
    rules: change.rules.map((rule) => ({ ...rule })),
    described: change.rules.map(describeRule),
    leaseMs: change.leaseMs,
    deadlineMs: change.deadlineMs,
    trial: change.trial === undefined ? undefined : { ...change.trial, reasons: [...change.trial.reasons] },
    override: change.override,
    verification: change.verification?.why,
    verified: change.verification?.ok,
    timeline: change.timeline.map((step) => ({ ...step })),
  };
}

export function predictionMessage(prediction: Prediction): proto.Prediction {
  const { id, atMs, subject, kind, horizonMs, confidence, model, counterEvidence } = prediction;
  return { id, atMs, subject, kind, horizonMs, confidence, model, counterEvidence, evidence: prediction.evidence.features.map((feature) => ({ ...feature })) };
}

export function topologyMessage(network: Network): proto.GetTopologyResponse {
  return {
    bridges: [...network.bridges.values()].map((bridge) => ({
      name: bridge.name,
      datapathId: bridge.datapathId.toString(16).padStart(16, "0"),
      ports: [...bridge.ports.values()].map(({ ofport, name, role, up, ifindex }) => ({ ofport, name, role, up, ifindex })),
      shadow: shadowBridge(bridge.name),
    })),
    links: network.links.map((link) => ({ a: portKey(link.a), b: portKey(link.b), up: link.up })),
    hosts: [...network.hosts.values()].map((host) => ({ mac: host.mac, addresses: [...host.addresses], at: portKey(host.at) })),
  };
}
