/** Flow records into a Parquet file, one row a flow. */
import { DuckDBInstance } from "@duckdb/node-api";
import type { Flow, FlowDirection } from "../api/generated/ovsshadow/v1/flow.js";

type Value = string | number | undefined;
/** A column: its name, whether it is text, and what it has of a flow. */
type Column = readonly [name: string, type: "VARCHAR" | "DOUBLE", of: (flow: Flow) => Value];

const ofDirection = (prefix: string, pick: (flow: Flow) => FlowDirection | undefined): Column[] => [
  [`${prefix}_samples`, "DOUBLE", (flow) => pick(flow)?.sampled?.samples],
  [`${prefix}_sampled_packets`, "DOUBLE", (flow) => pick(flow)?.sampled?.packets],
  [`${prefix}_sampled_bytes`, "DOUBLE", (flow) => pick(flow)?.sampled?.bytes],
  [`${prefix}_sampled_error_ratio`, "DOUBLE", (flow) => pick(flow)?.sampled?.errorRatio],
  [`${prefix}_captured_packets`, "DOUBLE", (flow) => pick(flow)?.captured?.packets],
  [`${prefix}_captured_bytes`, "DOUBLE", (flow) => pick(flow)?.captured?.bytes],
  [`${prefix}_payload_bytes`, "DOUBLE", (flow) => pick(flow)?.captured?.payloadBytes],
  [`${prefix}_entry`, "VARCHAR", (flow) => (pick(flow)?.entry === undefined ? undefined : `${pick(flow)?.entry?.bridge} ${pick(flow)?.entry?.tableId}/${pick(flow)?.entry?.priority} ${pick(flow)?.entry?.match}`)],
  [`${prefix}_entry_packets`, "DOUBLE", (flow) => pick(flow)?.entry?.packets],
  [`${prefix}_entry_bytes`, "DOUBLE", (flow) => pick(flow)?.entry?.bytes],
  [`${prefix}_entry_duration_s`, "DOUBLE", (flow) => pick(flow)?.entry?.durationS],
  [`${prefix}_entry_carries`, "DOUBLE", (flow) => pick(flow)?.entry?.carries],
];

const columns: readonly Column[] = [
  ["flow", "VARCHAR", ({ name }) => name],
  ["protocol", "DOUBLE", ({ protocol }) => protocol],
  ["client", "VARCHAR", ({ client }) => client?.address],
  ["client_port", "DOUBLE", ({ client }) => client?.port],
  ["server", "VARCHAR", ({ server }) => server?.address],
  ["server_port", "DOUBLE", ({ server }) => server?.port],
  ["first_ms", "DOUBLE", ({ firstMs }) => firstMs],
  ["last_ms", "DOUBLE", ({ lastMs }) => lastMs],
  ...ofDirection("out", ({ out }) => out),
  ...ofDirection("back", ({ back }) => back),
  ["zone", "DOUBLE", ({ tracked }) => tracked[0]?.zone],
  ["mark", "DOUBLE", ({ tracked }) => tracked[0]?.mark],
  ["tracked_state", "VARCHAR", ({ tracked }) => tracked[0]?.state],
  ["client_rtt_ms", "DOUBLE", ({ tcp }) => tcp?.clientRttMs],
  ["server_rtt_ms", "DOUBLE", ({ tcp }) => tcp?.serverRttMs],
  ["client_retransmissions", "DOUBLE", ({ tcp }) => tcp?.clientRetransmissions],
  ["server_retransmissions", "DOUBLE", ({ tcp }) => tcp?.serverRetransmissions],
  ["client_app_bytes", "DOUBLE", ({ tcp }) => tcp?.clientAppBytes],
  ["server_app_bytes", "DOUBLE", ({ tcp }) => tcp?.serverAppBytes],
  ["app", "VARCHAR", ({ app }) => app?.label],
  ["app_evidence", "VARCHAR", ({ app }) => app?.evidence],
  ["app_detail", "VARCHAR", ({ app }) => app?.detail],
  ["resolved_name", "VARCHAR", ({ app }) => app?.resolvedName],
  ["app_confidence", "DOUBLE", ({ app }) => app?.confidence],
  ["is_complete", "DOUBLE", ({ isComplete }) => (isComplete ? 1 : 0)],
  ["missing", "VARCHAR", ({ missing }) => missing.map(({ source, why }) => `${source}: ${why}`).join("; ")],
];

/** Writes the flows; what a source does not say is null. Rejects when the file can't be written. */
export async function writeFlows(file: string, flows: readonly Flow[]): Promise<void> {
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  try {
    await connection.run(`CREATE TABLE flows (${columns.map(([name, type]) => `"${name}" ${type}`).join(", ")})`);
    const appender = await connection.createAppender("flows");
    for (const flow of flows) {
      for (const [, type, of] of columns) {
        const value = of(flow);
        if (value === undefined) appender.appendNull();
        else if (type === "VARCHAR") appender.appendVarchar(String(value));
        else appender.appendDouble(Number(value));
      }
      appender.endRow();
    }
    appender.flushSync();
    appender.closeSync();
    await connection.run(`COPY flows TO '${file.replaceAll("'", "''")}' (FORMAT parquet, COMPRESSION zstd)`);
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}
