/** Collectors elsewhere that get the copies, too, in a tunnel. docs/sinks.md explains them. */
import { z } from "zod";
import { originSchema } from "./session-schema.js";

/** Sinks at most: each has a port on every adapter. */
export const maxSinks = 16;

export const sinkSchema = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/, "expected letters, digits, _ . -, at most 64"),
  /** erspan: type II; erspan3: type III. */
  type: z.enum(["gre", "erspan", "erspan3", "vxlan", "geneve"]),
  /** Where it goes, and from which address of the host that the adapters are on. */
  collector: z.ipv4(),
  local: z.ipv4(),
  /** MTU of the network up to there: it must carry a live frame, or `maxLen` of it, and the tunnel's headers. */
  mtu: z.number().int().min(68).max(65535),
  /** Copies are cut to this many bytes. */
  maxLen: z.number().int().min(14).max(65535).optional(),
  /** Which of the copies; without it all. Without `routes`. */
  origins: z
    .array(originSchema.refine(({ routes }) => routes === undefined, { message: "a sink follows no routes: use a session's", path: ["routes"] }))
    .min(1)
    .max(4_096)
    .default([{}]),
  direction: z.enum(["from", "to", "both"]).default("both"),
});
export type Sink = z.output<typeof sinkSchema>;

export const sinksSchema = z
  .array(sinkSchema)
  .max(maxSinks)
  .superRefine((sinks, context) => {
    const seen = new Set<string>();
    sinks.forEach(({ name }, i) => {
      if (seen.has(name)) context.addIssue({ code: "custom", message: `there are two sinks ${name}`, path: [i, "name"] });
      seen.add(name);
    });
  });
