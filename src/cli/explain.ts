/** ovs-shadowctl explain */
import { ExplainServiceClient, type ExplainPacketResponse, type PacketWay } from "../api/generated/ovsshadow/v1/explain.js";
import { callService, type GlobalOptions } from "./client.js";
import { printJson, printLine } from "./print.js";

export interface ExplainOptions extends GlobalOptions {
  readonly bridge: string;
  readonly packet: string;
}

export async function explain(options: ExplainOptions): Promise<void> {
  const both = await callService<ExplainServiceClient, ExplainPacketResponse>(options, ExplainServiceClient, (client, done) => client.explainPacket({ bridge: options.bridge, packet: options.packet }, done));
  if (options.output === "json") return printJson(both);
  if (both.live !== undefined) show("live", both.live, both.differingStep);
  if (both.shadow === undefined) return printLine("this bridge has no shadow");
  show("shadow", both.shadow, -1);
  printLine(both.difference === "" ? "live and shadow do the same" : `they part: ${both.difference}`);
}

function show(side: string, { steps, outputs, undecided, error }: PacketWay, differing: number): void {
  printLine(`${side}:`);
  for (const [i, { depth, flow, owner, text }] of steps.entries()) printLine(`${i === differing ? "≠" : " "} ${"  ".repeat(depth)}${text}${owner === "" ? "" : ` (${owner})`}${flow === "" ? "" : `: ${flow.trim()}`}`);
  for (const { name, packet } of outputs) printLine(`  → ${name}: ${packet}`);
  if (outputs.length === 0) printLine("  → dropped");
  for (const why of undecided) printLine(`  not certain: ${why}`);
  if (error !== "") printLine(`  dropped as a whole: ${error}`);
}
