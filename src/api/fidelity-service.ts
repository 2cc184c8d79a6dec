/** FidelityService: the accounts of the copies, and conflicts. */
import type { ServerWritableStream } from "@grpc/grpc-js";
import type { Conflict } from "../shadow/fidelity/conflicts.js";
import type { MeasuredPort } from "../shadow/fidelity/meter.js";
import type { FidelityServiceServer, ListFidelityResponse, MeasuredPort as PortMessage, WatchFidelityRequest, WatchFidelityResponse } from "./generated/ovsshadow/v1/fidelity.js";
import { unary } from "./unary.js";

export interface FidelitySurface {
  /** "on", "off" or "shed", and why it is shed. */
  readonly mode: () => { readonly mode: string; readonly shedWhy: string };
  readonly ports: () => readonly MeasuredPort[];
  readonly conflicts: () => readonly Conflict[];
  readonly failures: () => readonly string[];
}

const everyMs = 1_000;

const portMessage = ({ sample, alert, ...account }: MeasuredPort): PortMessage => ({ ...account, sample, alert: alert?.why ?? "" });

const now = (surface: FidelitySurface): ListFidelityResponse => ({
  ...surface.mode(),
  ports: surface.ports().map(portMessage),
  conflicts: [...surface.conflicts()],
  failures: [...surface.failures()],
});

function watch(surface: FidelitySurface) {
  return (call: ServerWritableStream<WatchFidelityRequest, WatchFidelityResponse>): void => {
    let isBlocked = !call.write({ now: now(surface) });
    const timer = setInterval(() => {
      if (!isBlocked) isBlocked = !call.write({ now: now(surface) });
    }, everyMs);
    call.on("drain", () => (isBlocked = false));
    for (const event of ["cancelled", "error", "close"]) call.on(event, () => clearInterval(timer));
  };
}

export const fidelityHandlers = (surface: FidelitySurface): FidelityServiceServer => ({ listFidelity: unary(() => now(surface)), watchFidelity: watch(surface) });
