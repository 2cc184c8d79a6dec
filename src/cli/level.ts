/** ovs-shadowctl shadow level|levels|raise: how much the shadow has of each bridge. */
import { LevelServiceClient, type BridgeLevel, type ListLevelsResponse, type RaiseLevelResponse, type SetLevelResponse } from "../api/generated/ovsshadow/v1/level.js";
import { callService, type GlobalOptions } from "./client.js";
import { printJson, printTable } from "./print.js";

export interface RaiseOptions extends GlobalOptions {
  readonly for: number;
  readonly reason: string;
}

function print({ output }: GlobalOptions, levels: readonly BridgeLevel[]): void {
  if (output === "json") return printJson(levels);
  printTable(
    ["live bridge", "level", "state", "because of", "until", "then", "copies"],
    levels.map(({ bridge, level, has, state, why, untilMs, base, replicate }) => [bridge, has === level ? level : `${level} (now: ${has})`, state, why, untilMs === undefined ? "" : new Date(untilMs).toISOString(), untilMs === undefined ? "" : base, replicate ? "on" : "off"]),
  );
}

export async function levelList(options: GlobalOptions): Promise<void> {
  const { levels } = await callService<LevelServiceClient, ListLevelsResponse>(options, LevelServiceClient, (client, done) => client.listLevels({}, done));
  print(options, levels);
}

/** `bridge` "all": all that are not set one by one; `level` "default": as the configuration and the schedule say. */
export async function levelSet(options: GlobalOptions, bridge: string, level: string): Promise<void> {
  const request = { bridge: bridge === "all" ? "" : bridge, level: level === "default" ? "" : level };
  const { levels } = await callService<LevelServiceClient, SetLevelResponse>(options, LevelServiceClient, (client, done) => client.setLevel(request, done));
  print(options, levels);
}

export async function levelRaise(options: RaiseOptions, bridge: string, level: string): Promise<void> {
  const request = { bridge, level, forS: options.for, why: options.reason };
  const { levels } = await callService<LevelServiceClient, RaiseLevelResponse>(options, LevelServiceClient, (client, done) => client.raiseLevel(request, done));
  print(options, levels);
}
