/** A capture in a thread of its own, as its main thread knows it: told what to do, and asked questions that it answers in any order. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";

interface Message {
  readonly is: string;
}
/** Fields of the question `Is`, besides its name and number. */
type Question<To extends Message, Is> = Omit<Extract<To, { readonly is: Is }>, "is" | "id">;
/** An answer bears the name of its question, and its number. */
type Answer<From extends Message, Is> = Extract<From, { readonly is: Is; readonly id: number }>;

interface Waiting {
  readonly resolve: (answer: never) => void;
  readonly reject: (error: Error) => void;
}

export interface ThreadParts<From> {
  /** Whatever it tells, answers too. */
  readonly heard: (message: From) => void;
  /** It ended by an error; what was asked has been rejected. */
  readonly failed: (why: string) => void;
}

export class CaptureThread<To extends Message, From extends Message> {
  private readonly worker: Worker;
  private readonly waiting = new Map<number, Waiting>();
  private nextId = 1;
  private ended: Error | undefined;

  constructor(file: URL, workerData: unknown, { heard, failed }: ThreadParts<From>) {
    this.worker = new Worker(file, { workerData });
    this.worker.on("message", (message: From & { readonly id?: number }) => {
      heard(message);
      if (message.id === undefined) return;
      this.waiting.get(message.id)?.resolve(message as never);
      this.waiting.delete(message.id);
    });
    this.worker.on("error", (error) => {
      if (this.end(error)) failed(error.message);
    });
    this.worker.on("exit", () => this.end(new Error("the capture has ended")));
  }

  /** Nothing is sent to a thread that has ended. */
  send(message: To): void {
    if (this.ended === undefined) this.worker.postMessage(message);
  }

  /** Rejects when the thread ends before it has answered. */
  ask<Is extends To["is"] & From["is"]>(is: Is, question: Question<To, Is>): Promise<Answer<From, Is>> {
    if (this.ended !== undefined) return Promise.reject(this.ended);
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ ...question, is, id });
    });
  }

  /** Sends `last`, upon which the thread ends, and waits for that. */
  async close(last: To): Promise<void> {
    if (this.ended !== undefined) return;
    const exited = once(this.worker, "exit");
    this.send(last);
    await exited;
  }

  private end(error: Error): boolean {
    if (this.ended !== undefined) return false;
    this.ended = error;
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
    return true;
  }
}
