/** Where edits come from: the controller's followers and writes, and a replica of the database's configuration of its own. */
import { OvsdbClient, type Replica } from "ovsdb-client";
import type { ObservationSink } from "../../base/observation.js";
import type { WrittenRows } from "../../reconcile/written-rows.js";
import type { Owner } from "./author.js";
import { EditWatch } from "./edit-watch.js";
import { editedTables } from "./row-edits.js";

export interface EditSourceOptions {
  readonly remote: string;
  readonly sink: Pick<ObservationSink, "happened">;
  readonly nowMs: () => number;
  readonly owners: readonly Owner[];
  /** What our own transactions wrote (`WrittenLog.between`). */
  readonly written: (after: number, upTo: number) => WrittenRows;
  /** Resolves when the database has answered what we have sent, and `written` knows of it. */
  readonly answered: () => Promise<void>;
}

const advanceMs = 200;
const backoff = { initialMs: 100, maxMs: 2_000 };

export class EditSource implements AsyncDisposable {
  readonly watch: EditWatch;
  private readonly client: OvsdbClient;
  private readonly clock: NodeJS.Timeout;
  /** Changes are told in their order, each when it is known whether it is ours. */
  private told: Promise<void> = Promise.resolve();

  /** Connects to the database; rejects when it can't. */
  static async start(options: EditSourceOptions): Promise<EditSource> {
    const client = await OvsdbClient.connect({ remote: options.remote, backoff });
    const replica = await client.replica("Open_vSwitch", editedTables);
    return new EditSource(client, replica, options);
  }

  private constructor(client: OvsdbClient, replica: Replica, { sink, nowMs, owners, written, answered }: EditSourceOptions) {
    this.client = client;
    this.watch = new EditWatch({ sink, nowMs, owners, written, tables: () => replica });
    replica.on("changes", (changes) => {
      this.told = this.told.then(answered).then(() => this.watch.rows(changes));
    });
    this.clock = setInterval(() => this.watch.advance(nowMs()), advanceMs);
    this.clock.unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.clock);
    await this.client.close();
    await this.told;
    this.watch.flush();
  }
}

/** An owner as the configuration has it: "0xVALUE/0xMASK", "FROM-TO". */
export function readOwner({ name, cookie, ids }: { readonly name: string; readonly cookie?: string | undefined; readonly ids?: string | undefined }): Owner {
  const [value = "0x0", mask = "0xffffffffffffffff"] = cookie?.split("/") ?? [];
  const [from = 0, to = 0] = ids?.split("-").map(Number) ?? [];
  return {
    name,
    ...(cookie === undefined ? {} : { cookie: { value: BigInt(value) & BigInt(mask), mask: BigInt(mask) } }),
    ...(ids === undefined ? {} : { ids: [from, to] as const }),
  };
}
