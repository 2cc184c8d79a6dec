/** The latest events in memory, for who asks and who watches. What is to be kept for longer goes to the store. */
import type { NetworkEvent, Observation, ObservationSink } from "../base/observation.js";

export interface LoggedEvent extends NetworkEvent {
  /** Counts up from 1: gaps say that events were forgotten. */
  readonly id: number;
}

export class EventLog implements ObservationSink {
  /** Events forgotten because the log was full. */
  forgotten = 0;
  private readonly max: number;
  private readonly also: ObservationSink | undefined;
  private readonly events: LoggedEvent[] = [];
  private readonly watchers = new Set<(event: LoggedEvent) => void>();
  private lastId = 0;

  /** `also` is given everything, too. */
  constructor(max: number, also?: ObservationSink) {
    this.max = max;
    this.also = also;
  }

  observe(observation: Observation): void {
    this.also?.observe(observation);
  }

  happened(event: NetworkEvent): void {
    const logged = { ...event, id: ++this.lastId };
    this.events.push(logged);
    // In one go now and then: taking one off the front of a long array for each event costs more.
    if (this.events.length > this.max + (this.max >> 2)) this.forgotten += this.events.splice(0, this.events.length - this.max).length;
    for (const watcher of this.watchers) watcher(logged);
    this.also?.happened(event);
  }

  /** The latest events for which `wanted` holds, oldest first. */
  latest(limit: number, wanted: (event: LoggedEvent) => boolean = () => true): LoggedEvent[] {
    const found: LoggedEvent[] = [];
    for (let i = this.events.length - 1; i >= 0 && found.length < limit; i--) {
      const event = this.events[i];
      if (event !== undefined && wanted(event)) found.push(event);
    }
    return found.reverse();
  }

  /** Calls `watcher` with every event from now on, until the function that is returned is called. It must not block or throw. */
  watch(watcher: (event: LoggedEvent) => void): () => void {
    this.watchers.add(watcher);
    return () => void this.watchers.delete(watcher);
  }
}
