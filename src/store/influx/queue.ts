/** Batches on their way to a server: one at a time, repeated with growing pauses while it is away, dropped when it will never take them. */

export type Sent = { readonly is: "taken"; /** Rows the server refused for good. */ readonly refused: number } | { readonly is: "away"; readonly why: string };

export interface QueueOptions<B> {
  readonly take: () => B | undefined;
  readonly send: (batch: B) => Promise<Sent>;
  readonly settled: (batch: B, refused: number) => void;
  readonly retried: () => void;
}

const firstPauseMs = 100;
const longestPauseMs = 5_000;

export class SendQueue<B> {
  /** Why the last batch was not taken; undefined while all is well. */
  failure: string | undefined;
  private readonly options: QueueOptions<B>;
  private waiting: B | undefined;
  private pauseMs = firstPauseMs;
  private timer: NodeJS.Timeout | undefined;
  private sending: Promise<void> | undefined;
  private isClosed = false;

  constructor(options: QueueOptions<B>) {
    this.options = options;
  }

  /** Sends what there is to send, now. Resolves after one attempt. */
  kick(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.sending ??= this.attempt().finally(() => {
      this.sending = undefined;
      if (this.waiting !== undefined && !this.isClosed) this.timer ??= setTimeout(() => void this.kick(), this.pauseMs);
    });
    return this.sending;
  }

  /** Whether new rows need a kick: not while a batch is on its way or waits for its next turn. */
  get isIdle(): boolean {
    return this.sending === undefined && this.waiting === undefined;
  }

  close(): void {
    this.isClosed = true;
    clearTimeout(this.timer);
  }

  private async attempt(): Promise<void> {
    if (this.waiting !== undefined) this.options.retried();
    const batch = (this.waiting ??= this.options.take());
    if (batch === undefined) return;
    const sent = await this.options.send(batch);
    if (sent.is === "away") {
      this.failure = sent.why;
      this.pauseMs = Math.min(longestPauseMs, this.pauseMs * 2);
      return;
    }
    this.waiting = undefined;
    this.failure = undefined;
    this.pauseMs = firstPauseMs;
    this.options.settled(batch, sent.refused);
  }
}
