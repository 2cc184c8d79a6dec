/** Records of flow and counter samples: those in the tables of structures/ decoded, others with their bytes. */
import { counterStructures } from "./structures/counter.js";
import { list, named, struct, type Structure } from "./structures/field.js";
import { flowStructures } from "./structures/flow.js";
import { WireError, type Reader } from "./wire.js";

/** A structure that is in no table: nothing is lost, `format` says which it is. */
export interface UnknownRecord {
  /** "ENTERPRISE:FORMAT". */
  readonly format: string;
  readonly kind: "unknown";
  /** A view of the datagram. */
  readonly bytes: Uint8Array;
}

type Table = Readonly<Record<string, Structure<string, unknown>>>;
type Known<T extends Table> = {
  [F in keyof T & string]: T[F] extends Structure<infer N, infer V>
    ? {
        readonly format: F;
        readonly kind: N;
        /** Bytes behind the structure as we know it: the specification lets a structure grow at its end. */
        readonly trailing?: Uint8Array;
      } & V
    : never;
}[keyof T & string];

/** extended_80211_aggregation: the frames that were sent as one, each with flow records of its own. */
export interface AggregationRecord {
  readonly format: "0:1016";
  readonly kind: "extended80211Aggregation";
  readonly pdus: readonly { readonly flowRecords: readonly FlowRecord[] }[];
  readonly trailing?: Uint8Array;
}

/** One record of a flow sample; `kind` is the structure's name in the specification, in camelCase. */
export type FlowRecord = Known<typeof flowStructures> | AggregationRecord | UnknownRecord;
/** One record of a counter sample. */
export type CounterRecord = Known<typeof counterStructures> | UnknownRecord;

/** data_format as text: the upper 20 bits are the enterprise, 0 is sflow.org itself. */
export const formatText = (format: number): string => `${format >>> 12}:${format & 0xfff}`;

interface Entry extends Structure<string, unknown> {
  readonly format: string;
}
function byNumber(table: Table): ReadonlyMap<number, Entry> {
  return new Map(
    Object.entries(table).map(([format, structure]) => {
      const [enterprise = 0, number = 0] = format.split(":").map(Number);
      return [enterprise * 4_096 + number, { ...structure, format }];
    }),
  );
}
/** Aggregations within aggregations are read so deep (readers: sample, record, and so on by turns); below they are unknown. */
const maxDepth = 6;
const aggregation = named("extended80211Aggregation", { pdus: list(struct({ flowRecords: { min: 4, read: (from: Reader) => readRecords(from, "flow") } })) });
const flowTable = byNumber({ ...flowStructures, "0:1016": aggregation });
const counterTable = byNumber(counterStructures);

/** Format and length come before every record. */
const recordHeader = 8;

function readRecord(from: Reader, table: ReadonlyMap<number, Entry>): unknown {
  const format = from.u32();
  const body = from.sub(from.u32());
  const known = body.depth > maxDepth ? undefined : table.get(format);
  if (known === undefined) return { format: formatText(format), kind: "unknown", bytes: body.rest() };
  const record = { format: known.format, kind: known.name, ...(known.body.read(body) as object) };
  return body.remaining === 0 ? record : { ...record, trailing: body.rest() };
}

/** Reads the records of a sample: their count, then each with its length. Throws WireError, nothing else. */
export function readRecords(from: Reader, of: "flow"): FlowRecord[];
export function readRecords(from: Reader, of: "counters"): CounterRecord[];
export function readRecords(from: Reader, of: "flow" | "counters"): unknown[] {
  const table = of === "flow" ? flowTable : counterTable;
  const count = from.u32();
  if (count * recordHeader > from.remaining) throw new WireError("count", `${count} records in ${from.remaining} bytes`, from.offset - 4);
  const records: unknown[] = [];
  for (let i = 0; i < count; i++) records.push(readRecord(from, table));
  return records;
}
