/**
 * The record of edits: every flow, group, meter, port and database row that anybody changes on live, with what was there
 * before and who made it, as far as that can be known. It looks and writes down; it changes nothing.
 */
import { flowMod, instructionsKey, meterMod, printFlow, printGroup, printMeter, type GroupMod, type MeterMod, type PortStatus } from "node-openflow";
import type { RowChange } from "ovsdb-client";
import type { ObservationSink } from "../../base/observation.js";
import type { Tables } from "../../network/database-view.js";
import { flowKey, type FlowChange, type FlowEntry, type GroupChange, type GroupEntry, type MeterEntry } from "../../network/flow-entry.js";
import type { WrittenRows } from "../../reconcile/written-rows.js";
import type { FlowEdit, TableFollower } from "../../shadow/table-follower.js";
import { flowAuthor, idAuthor, type Author, type ControllerRow, type Owner } from "./author.js";
import { Bursts, defaultLimits, type Burst, type BurstLimits, type Edit } from "./bursts.js";
import { Echo } from "./echo.js";
import { controllersOf, rowEdits } from "./row-edits.js";

export interface EditWatchOptions {
  readonly sink: Pick<ObservationSink, "happened">;
  readonly nowMs: () => number;
  readonly owners?: readonly Owner[];
  readonly limits?: BurstLimits;
  /** What we wrote in transactions that raised next_cfg above `after`, to `upTo` at most. */
  readonly written: (after: number, upTo: number) => WrittenRows;
  /** The replica with `editedTables`; undefined while there is none. */
  readonly tables: () => Tables | undefined;
}

export interface EditCounters {
  flows: number;
  groups: number;
  meters: number;
  ports: number;
  rows: number;
  /** Edits by who made them. */
  readonly by: Record<string, number>;
  /** Edits of what is ours by somebody else. */
  touchingOurs: number;
}

/** Names counted apart; more are put together. */
const maxNames = 64;

export class EditWatch {
  readonly counters: EditCounters = { flows: 0, groups: 0, meters: 0, ports: 0, rows: 0, by: {}, touchingOurs: 0 };
  private readonly options: EditWatchOptions;
  private readonly echo = new Echo();
  private readonly bursts: Bursts;
  /** Groups and meters as the latest request left them, by "bridge kind id"; undefined: deleted. */
  private readonly latest = new Map<string, GroupMod | MeterMod | undefined>();

  constructor(options: EditWatchOptions) {
    this.options = options;
    this.bursts = new Bursts(options.limits ?? defaultLimits, (edit) => this.tell(edit), (burst) => this.tellBurst(burst));
  }

  /** Listens to a live bridge's follower. */
  follow(follower: TableFollower): void {
    const { bridge } = follower;
    follower.on("edits", (edits) => edits.forEach((edit) => this.flow(bridge, edit)));
    follower.on("forwarded", (request) => this.modification(bridge, request, follower));
    follower.on("portStatus", (status) => this.port(bridge, status));
  }

  /** Changes of ours are about to be sent to a live bridge. */
  sending(bridge: string, flows: readonly FlowChange[], groups: readonly GroupChange[]): void {
    const nowMs = this.options.nowMs();
    for (const { op, flow } of flows) this.echo.expect(`${bridge} ${flowKey(flow)}`, op === "delete" ? "removed" : seen(flow), nowMs);
    for (const { op, group } of groups) this.echo.expect(`${bridge} group ${group.groupId}`, op, nowMs);
  }

  /** Rows changed, in one transaction. */
  rows(changes: readonly RowChange[]): void {
    const tables = this.options.tables();
    if (tables === undefined) return;
    for (const { table, uuid, name, op, columns, author } of rowEdits(changes, tables, this.options.written)) {
      this.counters.rows++;
      this.add(`row ${table} ${op}`, author, `${table} ${name || uuid}`, () => ({ what: "row", op, table, uuid, columns }));
    }
  }

  /** Lets time pass: ends bursts. Call a few times a second. */
  advance(nowMs: number): void {
    this.bursts.advance(nowMs);
    this.echo.advance(nowMs);
  }

  /** Tells what is held back. */
  flush(): void {
    this.bursts.flush();
  }

  private flow(bridge: string, edit: FlowEdit): void {
    const flow = edit.now ?? edit.old;
    if (flow === undefined) return;
    this.counters.flows++;
    const isEcho = this.echo.take(`${bridge} ${flowKey(flow)}`, edit.now === undefined ? "removed" : seen(edit.now), this.options.nowMs());
    const author = flowAuthor(edit, isEcho, this.options.owners ?? [], this.controllers(bridge));
    const cookie = `0x${flow.cookie.toString(16)}`;
    this.add(`flow ${bridge} ${edit.op} ${cookie}`, author, bridge, () => ({
      what: "flow",
      op: edit.op,
      bridge,
      table: flow.tableId,
      cookie,
      ...(edit.old === undefined ? {} : { old: flowText(edit.old) }),
      ...(edit.now === undefined ? {} : { new: flowText(edit.now) }),
      ...(edit.isFound ? { found: "by comparison, after a time without updates" } : {}),
    }));
  }

  private modification(bridge: string, request: GroupMod | MeterMod, follower: TableFollower): void {
    const isGroup = request.type === "groupMod";
    const kind = isGroup ? "group" : "meter";
    const id = isGroup ? request.groupId : request.meterId;
    this.counters[isGroup ? "groups" : "meters"]++;
    const key = `${bridge} ${kind} ${id}`;
    const isEcho = isGroup && this.echo.take(key, request.command === "delete" ? "delete" : request.command === "add" ? "add" : "modify", this.options.nowMs());
    const author = idAuthor(kind, id, isEcho, this.options.owners ?? [], this.controllers(bridge));
    const old = this.latest.has(key) ? this.latest.get(key) : isGroup ? follower.currentGroups().find((one) => one.groupId === id) : follower.currentMeters().find((one) => one.meterId === id);
    const now = request.command === "delete" ? undefined : request;
    if (this.latest.size > maxLatest) this.latest.clear(); // what is forgotten is shown without what was before
    this.latest.set(key, now);
    this.add(`${kind} ${bridge} ${request.command}`, author, bridge, () => ({ what: kind, op: request.command, bridge, id, ...(old === undefined ? {} : { old: described(old) }), ...(now === undefined ? {} : { new: described(now) }) }));
  }

  private port(bridge: string, { reason, desc }: PortStatus): void {
    this.counters.ports++;
    const op = portReasons[reason] ?? `reason ${reason}`;
    // Whether a program set the port's configuration or its cable was pulled is in the bits, and nothing more.
    const author: Author = { by: "unknown", certainty: "open", why: "a port status does not say who; see the database's rows of the same moment", candidates: ["port-mod", "database", "device"] };
    this.add(`port ${bridge} ${op}`, author, bridge, () => ({ what: "port", op, bridge, port: desc.portNo, name: desc.name, config: desc.config, state: desc.state }));
  }

  private controllers(bridge: string): readonly ControllerRow[] {
    const tables = this.options.tables();
    return tables === undefined ? [] : controllersOf(tables, bridge);
  }

  private add(kind: string, author: Author, subject: string, facts: () => Readonly<Record<string, unknown>>): void {
    const { by } = this.counters;
    const name = author.by in by || Object.keys(by).length < maxNames ? author.by : "others";
    by[name] = (by[name] ?? 0) + 1;
    if (author.touchesOurs === true) this.counters.touchingOurs++;
    this.bursts.add({ tMs: this.options.nowMs(), key: `${kind} ${author.by} ${author.touchesOurs ?? false}`, subject, detail: () => ({ ...facts(), ...author }) });
  }

  private tell({ tMs, subject, detail }: Edit): void {
    this.options.sink.happened({ tMs, kind: "edit", side: "live", subject, detail: detail() });
  }

  private tellBurst({ count, fromMs, toMs, first, last }: Burst): void {
    const [one, other] = [first.detail(), last.detail()];
    const common = Object.fromEntries(Object.entries(one).filter(([name, value]) => JSON.stringify(other[name]) === JSON.stringify(value)));
    this.options.sink.happened({ tMs: toMs, kind: "edit", side: "live", subject: first.subject, detail: { ...common, count, durationMs: toMs - fromMs, first: one, last: other } });
  }
}

const maxLatest = 65_536;
const portReasons = ["added", "deleted", "modified"] as const;
/** How an added or changed flow is recognised on the switch. */
const seen = (flow: FlowEntry): string => `${flow.cookie} ${instructionsKey(flow.instructions)}`;

/** As ovs-ofctl would write it; what has no such text says so, and an edit is not lost for it. */
function written(print: () => string): string {
  try {
    return print();
  } catch (error) {
    return `(no text: ${(error as Error).message})`;
  }
}
const flowText = (flow: FlowEntry): string =>
  written(() => {
    const { tableId, priority, match, cookie, instructions, idleTimeout, hardTimeout } = flow;
    return printFlow(flowMod({ command: "add", tableId, priority, match, cookie, instructions, idleTimeout, hardTimeout }));
  });
const described = (of: GroupMod | GroupEntry | MeterMod | MeterEntry): string => written(() => ("groupId" in of ? printGroup(of) : printMeter("command" in of ? of : meterMod({ command: "add", ...of }))));
