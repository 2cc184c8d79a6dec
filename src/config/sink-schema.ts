/** Collectors that get the copies, too: elsewhere in a tunnel, or behind a device of this host. docs/sinks.md explains them. */
import { z } from "zod";
import { originSchema } from "./session-schema.js";

/** Sinks at most: each has a port on every adapter. */
export const maxSinks = 16;

const common = {
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/, "expected letters, digits, _ . -, at most 64"),
  /** Copies are cut to this many bytes. */
  maxLen: z.number().int().min(14).max(65535).optional(),
  /** Which of the copies; without it all. Without `routes`. */
  origins: z
    .array(originSchema.refine(({ routes }) => routes === undefined, { message: "a sink follows no routes: use a session's", path: ["routes"] }))
    .min(1)
    .max(4_096)
    .default([{}]),
  direction: z.enum(["from", "to", "both"]).default("both"),
};

const tunnelSinkSchema = z.strictObject({
  ...common,
  /** erspan: type II; erspan3: type III. */
  type: z.enum(["gre", "erspan", "erspan3", "vxlan", "geneve"]),
  /** Where it goes, and from which address of the host that the adapters are on. */
  collector: z.ipv4(),
  local: z.ipv4(),
  /** MTU of the network up to there: it must carry a live frame, or `maxLen` of it, and the tunnel's headers. */
  mtu: z.number().int().min(68).max(65535),
});
export type TunnelSink = z.output<typeof tunnelSinkSchema>;

const deviceSinkSchema = z.strictObject({
  ...common,
  type: z.literal("device"),
  /** A network device of the host that the adapters are on, which is the sink's alone. */
  device: z.string().regex(/^[^\s/]{1,15}$/, "expected the name of a network device"),
  /** Copies get this tag in front of their own (RSPAN). */
  vlan: z.number().int().min(1).max(4_094).optional(),
});
export type DeviceSink = z.output<typeof deviceSinkSchema>;

export const sinkSchema = z.discriminatedUnion("type", [tunnelSinkSchema, deviceSinkSchema]);
export type Sink = z.output<typeof sinkSchema>;

export const sinksSchema = z
  .array(sinkSchema)
  .max(maxSinks)
  .superRefine((sinks, context) => {
    const names = new Set<string>();
    const devices = new Set<string>();
    sinks.forEach((sink, i) => {
      if (names.has(sink.name)) context.addIssue({ code: "custom", message: `there are two sinks ${sink.name}`, path: [i, "name"] });
      names.add(sink.name);
      if (sink.type !== "device") return;
      if (devices.has(sink.device)) context.addIssue({ code: "custom", message: `two sinks have the device ${sink.device}`, path: [i, "device"] });
      devices.add(sink.device);
    });
  });

/** Where a sink's copies go, in words. */
export const sinkTarget = (sink: Sink): string => (sink.type === "device" ? `device ${sink.device}${sink.vlan === undefined ? "" : `, VLAN ${sink.vlan}`}` : sink.collector);
