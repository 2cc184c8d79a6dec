/** ovs-shadowctl routes */
import { RoutingServiceClient, type ListRoutesResponse } from "../api/generated/ovsshadow/v1/routing.js";
import { callService, type GlobalOptions } from "./client.js";
import { printJson, printLine, printTable, time } from "./print.js";

export async function routes(options: GlobalOptions & { readonly prefix?: string; readonly from?: string }): Promise<void> {
  const answer = await callService<RoutingServiceClient, ListRoutesResponse>(options, RoutingServiceClient, (client, done) => client.listRoutes({ prefix: options.prefix ?? "", from: options.from ?? "", limit: 0 }, done));
  const list = answer.routes.map((route) => ({ ...route, attributes: JSON.parse(route.attributes) as { readonly asPath?: string; readonly kind?: string } }));
  if (options.output === "json") return printJson({ ...answer, routes: list });
  printTable(
    ["prefix", "next hop", "from", "to", "by", "since", "path"],
    list.map(({ prefix, nextHop, from, to, source, sinceMs, attributes }) => [prefix, nextHop, from, to, source, time(sinceMs), attributes.asPath ?? attributes.kind ?? ""]),
  );
  if (answer.total > list.length) printLine(`${list.length} of ${answer.total} routes; ${answer.evicted} were forgotten because the table was full`);
}
