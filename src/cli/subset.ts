/** ovs-shadowctl shadow subset: draws a representative part of the edge ports and says how well it stands for the whole. */
import { writeFileSync } from "node:fs";
import type { GetStatusResponse, GetTopologyResponse } from "../api/generated/ovsshadow/v1/shadow.js";
import { printProfile } from "../shadow/profile-file.js";
import { drawSubset, representation, type Device } from "../shadow/subset.js";
import { ObservationServiceClient, type GetObservationsResponse } from "../api/generated/ovsshadow/v1/observation.js";
import { call, callService, type GlobalOptions } from "./client.js";
import { percent, printJson, printLine, printTable } from "./print.js";

export interface SubsetOptions extends GlobalOptions {
  readonly share: number;
  readonly seed: number;
  readonly critical?: readonly string[];
  readonly out?: string;
}

/** What else the part stands for: shares of the last 30 s, by which alike ports are told. */
const figures = ["share of packets out", "mean length in"] as const;

/** By port: its `figures`, 0 where there was no traffic. */
async function traitsOf(options: SubsetOptions): Promise<ReadonlyMap<string, readonly number[]>> {
  const { observations } = await callService<ObservationServiceClient, GetObservationsResponse>(options, ObservationServiceClient, (client, done) => client.getObservations({ subject: "", kind: "port", windowMs: 30_000 }, done));
  return new Map(
    observations.filter(({ side }) => side === "live").map(({ subject, values }) => {
      const [into, out, bits] = ["inPacketsPerS", "outPacketsPerS", "inBitsPerS"].map((name) => values[name] ?? 0) as [number, number, number];
      return [subject, [into + out === 0 ? 0 : out / (into + out), into === 0 ? 0 : bits / 8 / into]] as const;
    }),
  );
}

/** Edge ports with the packets that came in by them; ports with a host are one role, those without another. */
async function devices(options: SubsetOptions): Promise<Device[]> {
  const traits = await traitsOf(options);
  const topology = await call<GetTopologyResponse>(options, (client, done) => client.getTopology({}, done));
  const status = await call<GetStatusResponse>(options, (client, done) => client.getStatus({}, done));
  const traffic = new Map(status.fidelity.map(({ port, received }) => [port, received]));
  const hosts = new Set(topology.hosts.map(({ at }) => at));
  return topology.bridges.flatMap((bridge) =>
    bridge.ports
      .filter(({ role }) => role === "edge")
      .map(({ ofport }) => {
        const name = `${bridge.name}:${ofport}`;
        return { name, role: hosts.has(name) ? "host" : "silent", critical: options.critical?.includes(name) === true, traffic: traffic.get(name) ?? 0, traits: traits.get(name) ?? figures.map(() => 0) };
      }),
  );
}

export async function subset(options: SubsetOptions): Promise<void> {
  const all = await devices(options);
  const missing = options.critical?.find((name) => !all.some((device) => device.name === name));
  if (missing !== undefined) throw new Error(`--critical: there is no edge port ${missing}`);
  const taken = drawSubset(all, { share: options.share / 100, seed: options.seed });
  const measured = representation(all, taken, (device) => device.traffic, options.seed);
  const others = figures.map((figure, at) => ({ figure, ks: representation(all, taken, (device) => device.traits?.[at] ?? 0, options.seed, 1).ks }));
  if (options.out !== undefined) writeFileSync(options.out, printProfile(options.seed, options.share, taken, measured));
  if (options.output === "json") return printJson({ ...measured, others, ports: taken.map(({ name, chance }) => ({ port: name, chance })) });
  printLine(`${measured.taken} of ${measured.devices} edge ports; distance of the distributions of packets in: ${measured.ks.toFixed(3)}${others.map(({ figure, ks }) => `, of ${figure} ${ks.toFixed(3)}`).join("")}`);
  printTable(["quantile", "whole", "part", "95 % interval"], measured.quantiles.map((one) => [percent(one.share), one.whole, one.part, `${one.low} to ${one.high}`]));
  printLine(options.out === undefined ? taken.map(({ name }) => name).sort().join(" ") : `written to ${options.out}; use it as shadow.profile`);
}
