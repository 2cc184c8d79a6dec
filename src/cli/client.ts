/** The connection to ovs-shadowd, and what a failed call means for the exit status. */
import { credentials, status, type ChannelCredentials, type Client, type ServiceError } from "@grpc/grpc-js";
import { ShadowServiceClient } from "../api/generated/ovsshadow/v1/shadow.js";

export interface GlobalOptions {
  readonly server: string;
  readonly output: "table" | "json";
  /** Seconds a call may take. */
  readonly timeout: number;
}

/** The generated client of a service. */
export type ServiceConstructor<C extends Client> = new (address: string, channel: ChannelCredentials) => C;

/** A connection to one of the daemon's services. */
export function connectService<C extends Client>(options: GlobalOptions, service: ServiceConstructor<C>): C {
  return new service(options.server, credentials.createInsecure());
}
export function connectTo(options: GlobalOptions): ShadowServiceClient {
  return connectService(options, ShadowServiceClient);
}

type Done<Response> = (error: ServiceError | null, response: Response) => void;

/** Runs one call of a service and closes the connection. Rejects with the server's words. */
export async function callService<C extends Client, Response>(options: GlobalOptions, service: ServiceConstructor<C>, run: (client: C, done: Done<Response>) => unknown): Promise<Response> {
  const client = connectService(options, service);
  try {
    await new Promise<void>((resolve, reject) =>
      client.waitForReady(Date.now() + options.timeout * 1_000, (error) => (error === undefined ? resolve() : reject(new Error(`ovs-shadowd does not answer at ${options.server}`)))),
    );
    return await new Promise<Response>((resolve, reject) => run(client, (error, response) => (error === null ? resolve(response) : reject(new CallError(error)))));
  } finally {
    client.close();
  }
}
export function call<Response>(options: GlobalOptions, run: (client: ShadowServiceClient, done: Done<Response>) => unknown): Promise<Response> {
  return callService(options, ShadowServiceClient, run);
}

/** What the server said to a call. */
export class CallError extends Error {
  /** True when the request itself was wrong: exit status 2. */
  readonly isUsage: boolean;
  constructor(error: ServiceError) {
    super(error.details);
    this.isUsage = error.code === status.INVALID_ARGUMENT;
  }
}
