/**
 * Whether ovs-vswitchd waits for somebody to restore its flows (Open_vSwitch other_config:flow-restore-wait, ovs-vswitchd.conf.db(5)).
 *
 * `ovs-ctl restart` sets it, starts the daemon, and has a script put back all flows and groups that were there, ours included, by bundles that
 * fail as a whole when a group is there already: a controller that writes meanwhile costs the operator all of his. So nobody writes to a switch
 * that came up while it is set before it is cleared. The switch forwards nothing in that time, with or without our flows.
 */
import { entries, rootUuid, type Tables } from "./database-view.js";

/** A wait that nobody ends by then is forgotten, not meant. */
const longestMs = 120_000;

export interface FlowRestoreParts {
  readonly tables: Tables;
  /** Told when the writing goes on although it was never cleared. */
  readonly gaveUp: () => void;
}

export class FlowRestore {
  private readonly parts: FlowRestoreParts;
  private waiting: { readonly done: Promise<void>; readonly end: () => void } | undefined;

  constructor(parts: FlowRestoreParts) {
    this.parts = parts;
  }

  get isSet(): boolean {
    const root = rootUuid(this.parts.tables);
    return root !== undefined && entries(this.parts.tables.table("Open_vSwitch").get(root), "other_config").get("flow-restore-wait") === "true";
  }

  /** The database changed: lets everybody go on once it is cleared. */
  changed(): void {
    if (!this.isSet) this.stop();
  }

  /** Resolves when flows may be written: at once while it is not set, else when it is cleared, after two minutes, or on `stop`. */
  done(): Promise<void> {
    if (this.waiting !== undefined) return this.waiting.done;
    if (!this.isSet) return Promise.resolve();
    let resolve: () => void = () => undefined;
    const done = new Promise<void>((end) => (resolve = end));
    const timer = setTimeout(() => {
      this.parts.gaveUp();
      this.stop();
    }, longestMs);
    timer.unref();
    this.waiting = {
      done,
      end: () => {
        clearTimeout(timer);
        resolve();
      },
    };
    return done;
  }

  /** Lets everybody go on. */
  stop(): void {
    this.waiting?.end();
    this.waiting = undefined;
  }
}
