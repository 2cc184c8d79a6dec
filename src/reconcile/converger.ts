/** Runs one asynchronous pass at a time, again whenever something changed meanwhile, and again later when it failed. */

export interface ConvergerOptions {
  readonly pass: () => Promise<void>;
  /** Called with what a pass threw; the pass is repeated after `retryMs`. */
  readonly failed: (error: unknown) => void;
  readonly retryMs?: number;
}

export class Converger {
  private readonly options: ConvergerOptions;
  private wanted = 0;
  private done = 0;
  private running: Promise<void> | undefined;
  private retry: NodeJS.Timeout | undefined;
  private stopped = false;

  constructor(options: ConvergerOptions) {
    this.options = options;
  }

  /** Asks for a pass that starts after now. Many calls before it starts make one pass. */
  trigger(): void {
    this.wanted++;
    this.start();
  }

  /** Resolves when a pass that started after this call has succeeded, or the converger was stopped. */
  async settle(): Promise<void> {
    this.trigger();
    const target = this.wanted;
    while (!this.stopped && this.done < target) {
      await (this.running ?? new Promise((resolve) => setTimeout(resolve, 1)));
    }
  }

  /** No further pass starts; resolves when the running one has ended. */
  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.retry);
    await this.running;
  }

  private start(): void {
    if (this.running !== undefined || this.stopped) return;
    clearTimeout(this.retry);
    this.running = this.run().finally(() => {
      this.running = undefined;
      if (!this.stopped && this.done < this.wanted && this.retry === undefined) this.start();
    });
  }

  private async run(): Promise<void> {
    await Promise.resolve(); // triggers of the same turn are taken together
    this.retry = undefined;
    const target = this.wanted;
    try {
      await this.options.pass();
      this.done = target;
    } catch (error) {
      this.options.failed(error);
      this.retry = setTimeout(() => {
        this.retry = undefined;
        this.start();
      }, this.options.retryMs ?? 250);
    }
  }
}
