/** PlanService: what is replicated, how, why, and what it costs. */
import type { ExplainedPlan } from "../shadow/replication/explained.js";
import type { GetPlanResponse, PlanServiceServer } from "./generated/ovsshadow/v1/plan.js";
import { unary } from "./unary.js";

export interface PlanSurface {
  readonly explained: () => Promise<ExplainedPlan>;
}

/** A copy that is no longer read-only, for the generated types. */
const copied = <T>(items: readonly T[]): T[] => [...items];

export function planMessage(plan: ExplainedPlan, isDone: boolean, notes: readonly string[]): GetPlanResponse {
  return {
    isDone,
    bridges: plan.bridges.map((bridge) => ({
      ...bridge,
      levelWhy: copied(bridge.levelWhy),
      placeWhy: copied(bridge.placeWhy),
      wiringWhy: copied(bridge.wiringWhy),
      ports: bridge.ports.map((port) => ({ ...port, sessions: copied(port.sessions), why: copied(port.why) })),
    })),
    sessions: plan.sessions.map((session) => ({ ...session, problems: copied(session.problems) })),
    left: copied(plan.left),
    cost: plan.cost,
    cachedFlows: plan.cachedFlows,
    maxCachedFlows: plan.maxCachedFlows,
    notes: copied(notes),
  };
}

export const planHandlers = ({ explained }: PlanSurface): PlanServiceServer => ({ getPlan: unary(async () => planMessage(await explained(), true, [])) });
