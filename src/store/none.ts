/** No store: facts are not kept, and whoever asks is told so. */
import { noCounters, StoreError, type StoreHealth, type TimeSeriesStore } from "./store.js";

const refuse = (): Promise<never> => Promise.reject(new StoreError("nothing is kept: the configuration has store.kind none"));

export class NoStore implements TimeSeriesStore {
  observe(): void {
    return;
  }
  happened(): void {
    return;
  }
  readonly query = refuse;
  readonly latest = refuse;
  readonly top = refuse;
  readonly events = refuse;
  readonly stateAt = refuse;
  readonly metrics = refuse;
  readonly retention = refuse;
  readonly exportParquet = refuse;
  flush(): Promise<void> {
    return Promise.resolve();
  }
  maintain(): Promise<void> {
    return Promise.resolve();
  }
  health(): Promise<StoreHealth> {
    return Promise.resolve({ backend: "none", counters: noCounters(), waiting: 0, failure: undefined, recovered: [], bytes: undefined });
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}
