/** The gRPC server: the service, health and reflection on one port. */
import { readFileSync } from "node:fs";
import { Server, ServerCredentials, type ServerWritableStream } from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";
import type { Logger } from "pino";
import type { Change } from "../change/change.js";
import type { ChangeManager, Proposal } from "../change/change-manager.js";
import type { Network } from "../network/model.js";
import type { Prediction } from "../predict/onset.js";
import type { PromotionStep } from "../shadow/promotion.js";
import { changeMessage, predictionMessage, readRules, topologyMessage } from "./convert.js";
import { ShadowServiceService, type GetStatusResponse, type ShadowServiceServer, type WatchChangesRequest, type WatchChangesResponse } from "./generated/ovsshadow/v1/shadow.js";
import { DriftServiceService } from "./generated/ovsshadow/v1/drift.js";
import { driftHandlers, type DriftSurface } from "./drift-service.js";
import { ExplainServiceService } from "./generated/ovsshadow/v1/explain.js";
import { explainHandlers, type ExplainSurface } from "./explain-service.js";
import { ObservationServiceService } from "./generated/ovsshadow/v1/observation.js";
import { TelemetryServiceService } from "./generated/ovsshadow/v1/telemetry.js";
import { FidelityServiceService } from "./generated/ovsshadow/v1/fidelity.js";
import { HistoryServiceService } from "./generated/ovsshadow/v1/history.js";
import { RoutingServiceService } from "./generated/ovsshadow/v1/routing.js";
import { FlowServiceService } from "./generated/ovsshadow/v1/flow.js";
import { flowHandlers, type FlowSurface } from "./flow-service.js";
import { fidelityHandlers, type FidelitySurface } from "./fidelity-service.js";
import { historyHandlers } from "./history-service.js";
import { observationHandlers, type ObservationSurface } from "./observation-service.js";
import { LevelServiceService } from "./generated/ovsshadow/v1/level.js";
import { levelHandlers, type LevelSurface } from "./level-service.js";
import { ReplicationServiceService } from "./generated/ovsshadow/v1/replication.js";
import { replicationHandlers, type ReplicationSurface } from "./replication-service.js";
import { NodesServiceService } from "./generated/ovsshadow/v1/nodes.js";
import { nodesHandlers, type NodesSurface } from "./nodes-service.js";
import { reflectionServices } from "./reflection.js";
import { routingHandlers, type RoutingSurface } from "./routing-service.js";
import type { TimeSeriesStore } from "../store/store.js";
import { PlanServiceService } from "./generated/ovsshadow/v1/plan.js";
import { planHandlers, type PlanSurface } from "./plan-service.js";
import { SinkServiceService } from "./generated/ovsshadow/v1/sink.js";
import { sinkHandlers, type SinkSurface } from "./sink-service.js";
import { StalenessServiceService } from "./generated/ovsshadow/v1/staleness.js";
import { stalenessHandlers, type StalenessSurface } from "./staleness-service.js";
import { TrackingServiceService } from "./generated/ovsshadow/v1/tracking.js";
import { trackingHandlers, type TrackingSurface } from "./tracking-service.js";
import { telemetryHandlers, type TelemetrySurface } from "./telemetry-service.js";
import { unary } from "./unary.js";

/** What the API needs of the controller. */
export interface ControlSurface {
  status(): Promise<GetStatusResponse>;
  topology(): Network;
  predictions(): readonly Prediction[];
  readonly changes: Pick<ChangeManager, "list" | "submit" | "cancel" | "on" | "off">;
  readonly leaseMs: number;
  promote(why: string): Promise<readonly PromotionStep[]>;
  demote(why: string): Promise<readonly PromotionStep[]>;
  /** Detaches; the process ends afterwards. */
  detach(): Promise<void>;
}

export interface ApiOptions {
  /** HOST:PORT; port 0 takes a free one. */
  readonly listen: string;
  readonly control: ControlSurface;
  readonly routing: RoutingSurface;
  readonly observation: ObservationSurface;
  readonly fidelity: FidelitySurface;
  readonly store: TimeSeriesStore;
  readonly explain: ExplainSurface;
  readonly telemetry: TelemetrySurface;
  readonly replication: ReplicationSurface;
  readonly levels: LevelSurface;
  readonly drift: DriftSurface;
  readonly flows: FlowSurface;
  readonly staleness: StalenessSurface;
  readonly tracking: TrackingSurface;
  readonly plan: PlanSurface;
  readonly sinks: SinkSurface;
  readonly nodes: NodesSurface;
  readonly log: Logger;
}

export interface Api {
  readonly port: number;
  close(): Promise<void>;
}

/** Updates that may wait for a slow consumer of a watch; beyond, they are left out and counted. */
const maxWatchQueue = 256;

function watchChanges(changes: ControlSurface["changes"]) {
  return (call: ServerWritableStream<WatchChangesRequest, WatchChangesResponse>): void => {
    const queue: Change[] = [];
    let missed = 0;
    let isBlocked = false;
    const flush = (): void => {
      while (!isBlocked) {
        const change = queue.shift();
        if (change === undefined) return;
        isBlocked = !call.write({ change: changeMessage(change), synced: false, missed });
        missed = 0;
      }
    };
    const changed = (change: Change): void => {
      if (queue.length >= maxWatchQueue) missed++;
      else queue.push(change);
      flush();
    };
    for (const change of changes.list()) call.write({ change: changeMessage(change), synced: false, missed: 0 });
    isBlocked = !call.write({ change: undefined, synced: true, missed: 0 });
    changes.on("change", changed);
    call.on("drain", () => {
      isBlocked = false;
      flush();
    });
    const ended = (): void => void changes.off("change", changed);
    call.on("cancelled", ended);
    call.on("error", ended);
    call.on("close", ended);
  };
}

function handlers({ control }: ApiOptions): ShadowServiceServer {
  return {
    getStatus: unary(() => control.status()),
    getTopology: unary(() => topologyMessage(control.topology())),
    listPredictions: unary(({ limit }) => ({ predictions: control.predictions().slice(-(limit || 100)).map(predictionMessage) })),
    listChanges: unary(() => ({ changes: control.changes.list().map(changeMessage) })),
    watchChanges: watchChanges(control.changes),
    proposeBlock: unary(async ({ rules, leaseS, reason, override, whatIf }) => {
      const proposal: Proposal = {
        origin: { by: "operator", reason: reason || "asked for through the API" },
        rules: readRules(rules),
        leaseMs: leaseS === 0 ? control.leaseMs : leaseS * 1_000,
        whatIf,
        ...(override === undefined ? {} : { override }),
      };
      return { change: changeMessage(await control.changes.submit(proposal)) };
    }),
    cancelChange: unary(async ({ id, why }) => ({ change: changeMessage(await control.changes.cancel(id, why || "cancelled through the API")) })),
    promote: unary(async ({ why }) => ({ steps: [...(await control.promote(why || "asked for through the API"))] })),
    demote: unary(async ({ why }) => ({ steps: [...(await control.demote(why || "asked for through the API"))] })),
    detach: unary(async () => {
      await control.detach();
      return {};
    }),
  };
}

/** Starts the server. Rejects when it can't listen. */
export async function startApi(options: ApiOptions): Promise<Api> {
  const server = new Server();
  server.addService(ShadowServiceService, handlers(options));
  server.addService(ReplicationServiceService, replicationHandlers(options.replication));
  server.addService(LevelServiceService, levelHandlers(options.levels));
  server.addService(DriftServiceService, driftHandlers(options.drift));
  server.addService(FlowServiceService, flowHandlers(options.flows));
  server.addService(StalenessServiceService, stalenessHandlers(options.staleness));
  server.addService(TrackingServiceService, trackingHandlers(options.tracking));
  server.addService(PlanServiceService, planHandlers(options.plan));
  server.addService(SinkServiceService, sinkHandlers(options.sinks));
  server.addService(NodesServiceService, nodesHandlers(options.nodes));
  server.addService(ObservationServiceService, observationHandlers(options.observation));
  server.addService(RoutingServiceService, routingHandlers(options.routing));
  server.addService(FidelityServiceService, fidelityHandlers(options.fidelity));
  server.addService(HistoryServiceService, historyHandlers(options.store));
  server.addService(ExplainServiceService, explainHandlers(options.explain));
  server.addService(TelemetryServiceService, telemetryHandlers(options.telemetry));
  const names = ["ShadowService", "LevelService", "DriftService", "FlowService", "StalenessService", "TrackingService", "PlanService", "SinkService", "ObservationService", "RoutingService", "FidelityService", "HistoryService", "ExplainService", "TelemetryService", "NodesService"];
  const health = new HealthImplementation({ "": "SERVING", ...Object.fromEntries(names.map((name) => [`ovsshadow.v1.${name}`, "SERVING" as const])) });
  health.addToServer(server);
  for (const { definition, implementation } of reflectionServices(readFileSync(descriptorFile()))) server.addService(definition, implementation);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync(options.listen, ServerCredentials.createInsecure(), (error, bound) => (error === null ? resolve(bound) : reject(error))),
  );
  return {
    port,
    close: () =>
      new Promise((resolve) => {
        const force = setTimeout(() => server.forceShutdown(), 500);
        server.tryShutdown(() => {
          clearTimeout(force);
          resolve();
        });
      }),
  };
}

/** The descriptor set lies beside the source: the build copies no data files. */
function descriptorFile(): URL {
  const here = new URL(".", import.meta.url);
  return new URL(here.pathname.includes("/dist/") ? "../../../src/api/descriptor.binpb" : "descriptor.binpb", here);
}
