/** ovs-shadowctl plan: what is replicated, how, why, and what it costs; with --dry of a database that nobody has attached to. */
import { PlanServiceClient, type GetPlanResponse, type PlanBridge, type PlanCost, type PlanReason } from "../api/generated/ovsshadow/v1/plan.js";
import { callService, type GlobalOptions } from "./client.js";
import { printJson, printLine, printTable } from "./print.js";

export interface PlanCliOptions extends GlobalOptions {
  readonly dry?: boolean;
  readonly config?: string;
  readonly ports?: boolean;
}

const reasonText = ({ text, where }: PlanReason): string => (where === "" ? text : `${text} (${where})`);
const reasons = (list: readonly PlanReason[]): string => list.map(reasonText).join("\n");
const rate = (perS: number | undefined): string => (perS === undefined ? "not known" : perS.toFixed(perS < 10 ? 1 : 0));

function bridgeRow({ bridge, level, levelWhy, place, isCritical, placeWhy, wiring, wiringWhy, ports }: PlanBridge): (string | number)[] {
  const by = (way: string): number => ports.filter((port) => port.by === way).length;
  return [bridge, `${level}\n${reasons(levelWhy)}`, `${place}${isCritical ? " (critical)" : ""}\n${reasons(placeWhy)}`, `${wiring}\n${reasons(wiringWhy)}`, `${by("mirror")} by Mirror rows\n${by("flows")} by flows\n${by("nothing")} not`];
}

const costRow = (what: string, cost: PlanCost | undefined, isDone: boolean): (string | number)[] => [
  what, cost?.ports ?? 0, cost?.rows ?? 0, cost?.liveFlows ?? 0, cost?.shadowFlows ?? "as many as live has", cost?.fractionPorts ?? 0, `${isDone ? "" : "at most "}${rate(cost?.copiesPerS)}`,
];

function show(plan: GetPlanResponse, withPorts: boolean): void {
  const { isDone, bridges, sessions, left, cost, cachedFlows, maxCachedFlows, notes } = plan;
  if (!isDone) printLine("A dry run: nothing of this is done.");
  printTable(["session", "share", "edge ports", "because of", "problems"], sessions.map(({ name, percent, ports, why, problems }) => [name, `${percent} %`, ports, why === undefined ? "" : reasonText(why), problems.join("\n")]));
  printTable(["live bridge", "level", "place", "copies leave by", "edge ports"], bridges.map(bridgeRow));
  if (withPorts) {
    const rows = bridges.flatMap(({ ports }) => ports.map(({ port, name, by, sessions: asked, why, receivedPerS, copiesPerS }) => [port, name, by, asked.join(" "), rate(receivedPerS), rate(copiesPerS), reasons(why)]));
    printTable(["edge port", "name", "copied by", "for", "in/s", "copies/s", "because"], rows);
  }
  printTable(["it costs", "ports", "rows", "flows on live", "flows in the shadow", "ports with a cached flow a connection", "copies/s"], [...bridges.map((bridge) => costRow(bridge.bridge, bridge.cost, isDone)), costRow("all", cost, isDone)]);
  printLine(`flows in ovs-vswitchd's cache: ${cachedFlows ?? "not known"}, at most ${maxCachedFlows} before sessions that take fractions are suspended`);
  for (const { what, why } of left) printLine(`not replicated: ${what}: ${why === undefined ? "" : reasonText(why)}`);
  for (const note of notes) printLine(`note: ${note}`);
}

export async function plan(options: PlanCliOptions): Promise<void> {
  if (options.dry !== true && options.config !== undefined) throw new Error("--config belongs to --dry: a running daemon has its own");
  const answer =
    options.dry === true
      ? await (await import("./plan-dry.js")).dryPlan(options.config)
      : await callService<PlanServiceClient, GetPlanResponse>(options, PlanServiceClient, (client, done) => client.getPlan({}, done));
  if (options.output === "json") return printJson(answer);
  show(answer, options.ports === true);
}
