/** ObservationService: features, observations, deviations and the behavioural profile. */
import type { ServerWritableStream } from "@grpc/grpc-js";
import { diffProfiles, type ProfileDocument } from "../analysis/profile/document.js";
import type { Observation } from "../base/observation.js";
import { catalogue } from "../telemetry/features.js";
import type { Anomalies } from "../telemetry/anomalies.js";
import type { Observatory } from "../telemetry/observatory.js";
import type { ObservationServiceServer, Observation as ObservationMessage, Profile as ProfileMessage, WatchObservationsRequest, WatchObservationsResponse, WatchProfileRequest, WatchProfileResponse } from "./generated/ovsshadow/v1/observation.js";
import { unary } from "./unary.js";

export interface ObservationSurface {
  readonly observatory: Pick<Observatory, "latest" | "watch" | "deviating" | "failure">;
  readonly anomalies: Pick<Anomalies, "active" | "overflow">;
  /** The profile as of now. */
  readonly profile: () => ProfileDocument;
}

/** Observations that may wait for a slow reader; beyond, they are left out and counted. */
const maxWaiting = 8_192;
const maxPerMessage = 256;
/** How often the profile is looked at for those who watch it. */
const profileEveryMs = 2_000;

const observationMessage = ({ tMs, windowMs, side, subject, values }: Observation): ObservationMessage => ({ tMs, windowMs, side, kind: subject.kind, subject: subject.name, values: { ...values } });

const profileMessage = ({ services, edges, dependencies, peaks, talkers, critical, ...rest }: ProfileDocument): ProfileMessage => ({
  ...rest,
  services: [...services],
  edges: [...edges],
  dependencies: [...dependencies],
  peaks: [...peaks],
  talkers: [...talkers],
  critical: [...critical],
});

function watchObservations({ observatory }: ObservationSurface) {
  return (call: ServerWritableStream<WatchObservationsRequest, WatchObservationsResponse>): void => {
    const { subject, kind, windowMs } = call.request;
    const waiting: ObservationMessage[] = [];
    let missed = 0;
    let isBlocked = false;
    const flush = (): void => {
      while (!isBlocked && waiting.length > 0) {
        isBlocked = !call.write({ observations: waiting.splice(0, maxPerMessage), missed });
        missed = 0;
      }
    };
    const unwatch = observatory.watch((observation) => {
      if ((subject !== "" && observation.subject.name !== subject) || (kind !== "" && observation.subject.kind !== kind) || (windowMs !== 0 && observation.windowMs !== windowMs)) return;
      if (waiting.length >= maxWaiting) missed++;
      // Those of one second go out together.
      else if (waiting.push(observationMessage(observation)) === 1) setImmediate(flush);
    });
    call.on("drain", () => {
      isBlocked = false;
      flush();
    });
    for (const event of ["cancelled", "error", "close"]) call.on(event, () => unwatch());
  };
}

function watchProfile({ profile }: ObservationSurface) {
  return (call: ServerWritableStream<WatchProfileRequest, WatchProfileResponse>): void => {
    let told = profile();
    call.write({ profile: profileMessage(told), version: told.version, changes: [] });
    let isBlocked = false;
    call.on("drain", () => (isBlocked = false));
    const timer = setInterval(() => {
      // A slow reader gets the difference to what it was told last, whenever it is ready again.
      if (isBlocked) return;
      const now = profile();
      const changes = diffProfiles(told, now);
      if (changes.length === 0) return;
      told = now;
      isBlocked = !call.write({ profile: undefined, version: now.version, changes });
    }, profileEveryMs);
    for (const event of ["cancelled", "error", "close"]) call.on(event, () => clearInterval(timer));
  };
}

export function observationHandlers(surface: ObservationSurface): ObservationServiceServer {
  return {
    listFeatures: unary(() => ({
      features: catalogue.map(({ name, unit, definition, source, subjects, windowsS, maxSampling }) => ({ name, unit, definition, source, subjects: [...subjects], windowsS: [...windowsS], maxSampling })),
    })),
    getObservations: unary(({ subject, kind, windowMs }) => ({
      observations: surface.observatory.latest({ subject: subject || undefined, kind: kind || undefined, windowMs: windowMs || undefined }).map(observationMessage),
    })),
    watchObservations: watchObservations(surface),
    listDeviations: unary(() => ({
      deviations: surface.observatory.deviating.map(({ subject, metric = "", ...rest }) => ({ kind: subject.kind, subject: subject.name, metric, ...rest })),
      failure: surface.observatory.failure ?? "",
    })),
    listAnomalies: unary(() => ({
      anomalies: surface.anomalies.active().map(({ subject, side, sinceMs, worst: { metric, unit, value, usual, z } }) => ({ kind: subject.kind, subject: subject.name, side, sinceMs, metric, unit, value, usual, z })),
      overflow: surface.anomalies.overflow,
    })),
    getProfile: unary(() => ({ profile: profileMessage(surface.profile()) })),
    watchProfile: watchProfile(surface),
  };
}
