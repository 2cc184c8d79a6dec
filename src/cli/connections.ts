/** ovs-shadowctl connections [--address A] [--limit N] [--watch | --pcap FILE] */
import { TelemetryServiceClient, type ConnectionSide, type ListConnectionsResponse } from "../api/generated/ovsshadow/v1/telemetry.js";
import { callService, type GlobalOptions } from "./client.js";
import { printJson, printLine, printTable, time } from "./print.js";

export type ConnectionsOptions = GlobalOptions & { readonly address?: string; readonly limit?: number; readonly watch?: boolean; readonly pcap?: string };

const watchEveryMs = 1_000;
const defaultLimit = 100;

export async function connections(options: ConnectionsOptions): Promise<void> {
  if (options.pcap !== undefined) return ofCapture(options, options.pcap);
  const ask = (): Promise<ListConnectionsResponse> =>
    callService<TelemetryServiceClient, ListConnectionsResponse>(options, TelemetryServiceClient, (client, done) => client.listConnections({ address: options.address ?? "", limit: options.limit ?? defaultLimit }, done));
  for (;;) {
    print(await ask(), options);
    if (options.watch !== true) return;
    await new Promise((resolve) => setTimeout(resolve, watchEveryMs));
  }
}

/** The same table of a capture, without the daemon. What can be read is shown; why it is not all is the error. */
async function ofCapture(options: ConnectionsOptions, file: string): Promise<void> {
  if (options.watch === true) throw new Error("--watch and --pcap exclude each other: a capture does not go on");
  const [{ connectionsOf }, { connectionMessage }] = await Promise.all([import("../telemetry/tcp/offline.js"), import("../api/telemetry-service.js")]);
  const limit = options.limit === undefined ? {} : { limit: options.limit };
  const { connections: found, counters, broken } = await connectionsOf(file, { address: options.address ?? "", ...limit });
  print({ connections: found.map(connectionMessage), counters }, options);
  if (broken !== undefined) throw new Error(`${broken}; the connections up to there are shown`);
}

function print(answer: ListConnectionsResponse, { output, watch }: ConnectionsOptions): void {
  if (output === "json") return watch === true ? printLine(JSON.stringify(answer)) : printJson(answer);
  const ms = (value: number | undefined): string => value?.toFixed(2) ?? "-";
  const row = (side: ConnectionSide | undefined): (string | number)[] =>
    side === undefined ? [] : [side.appBytes, side.dataSegments, side.retransmissions, side.lost, side.outOfOrder, side.zeroWindows, side.inFlight, side.windowBytes ?? "-", ms(side.rttMs), ms(side.pathMs)];
  printTable(
    ["connection", "state", "last", "bytes", "segments", "sent again", "lost", "out of order", "zero windows", "in flight", "window", "rtt ms", "path ms"],
    answer.connections.flatMap(({ name, state, handshake, whole, lastMs, client, server }) => [
      [`${name}${whole ? "" : " (joined midway)"}`, handshake === "done" ? state : `${state}, ${handshake}`, time(lastMs), ...row(client)],
      ["  answers", "", "", ...row(server)],
    ]),
  );
  const { counters } = answer;
  if (counters !== undefined) printLine(`${counters.known} of at most ${counters.capacity} connections; ${counters.frames} frames, ${counters.kernelDropped} dropped by the kernel, ${counters.evicted} connections forgotten for want of room${counters.leftOut > 0 ? `, ${counters.leftOut} left out` : ""}`);
}
