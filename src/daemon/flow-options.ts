/** What the configuration says of flows. */
import type { Config } from "../config/schema.js";

/** Whether copies are counted by flow: the adapters must be on this host. */
export const capturesFlows = ({ telemetry: { flows }, shadow }: Pick<Config, "telemetry" | "shadow">): boolean => flows.enabled && flows.capture && shadow.enabled && shadow.remote === undefined;
export const comparesFlows = (config: Pick<Config, "telemetry" | "shadow">): boolean => capturesFlows(config) && config.telemetry.flows.compare;
