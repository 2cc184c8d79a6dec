/** ovs-shadowctl neighbours */
import { RoutingServiceClient, type ListNeighboursResponse } from "../api/generated/ovsshadow/v1/routing.js";
import { callService, type GlobalOptions } from "./client.js";
import { printJson, printLine, printTable, time } from "./print.js";

export async function neighbours(options: GlobalOptions): Promise<void> {
  const answer = await callService<RoutingServiceClient, ListNeighboursResponse>(options, RoutingServiceClient, (client, done) => client.listNeighbours({}, done));
  if (options.output === "json") return printJson({ ...answer, neighbours: answer.neighbours.map((one) => ({ ...one, detail: JSON.parse(one.detail) as unknown })) });
  printTable(["by", "neighbour", "at", "state", "since"], answer.neighbours.map(({ protocol, name, at, state, sinceMs }) => [protocol, name, at, state, time(sinceMs)]));
  if (answer.bindings.length > 0) printTable(["address", "hardware address", "at", "by", "last"], answer.bindings.map(({ address, mac, at, by, lastMs }) => [address, mac, at, by, time(lastMs)]));
  if (answer.leases.length > 0) printTable(["leased", "client", "server", "name", "until"], answer.leases.map(({ address, client, server, hostName, expiresMs }) => [address, client, server, hostName, time(expiresMs)]));
  if (answer.names.length > 0) printTable(["address", "name", "asked for"], answer.names.map(({ address, name, asked }) => [address, name, asked]));
  for (const { device, failure } of answer.devices) if (failure !== "") printLine(`nothing is heard on ${device}: ${failure}`);
  for (const [what, count] of Object.entries(answer.malformed)) printLine(`not readable: ${count} × ${what}`);
}
