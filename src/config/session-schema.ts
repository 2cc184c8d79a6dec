/** What a replication session may say, in the configuration and in a request. docs/replication.md explains it. */
import { z } from "zod";

const mac = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i;

/**
 * Where a session takes its packets from. Without any key: from every edge port. Keys narrow each other, except that of
 * `host` and `match` there is at most one.
 */
export const originSchema = z
  .strictObject({
    /** Live bridge; none: all of them. */
    bridge: z.string().min(1).optional(),
    /** Edge port by name, or by its OpenFlow number; needs `bridge`. */
    port: z.union([z.string().min(1), z.number().int().min(1).max(0xfeff)]).optional(),
    vlan: z.number().int().min(1).max(4094).optional(),
    /** MAC, IPv4 or IPv6 address of a host. */
    host: z.union([z.string().regex(mac), z.ipv4(), z.ipv6()], "expected a MAC, IPv4 or IPv6 address").optional(),
    /** What ovs-ofctl takes as a match: "tcp,tp_dst=443". */
    match: z.string().min(1).optional(),
  })
  .refine((origin) => origin.port === undefined || origin.bridge !== undefined, { message: "a port needs its bridge", path: ["port"] })
  .refine((origin) => origin.host === undefined || origin.match === undefined, { message: "host and match exclude each other", path: ["match"] });

export const sessionSchema = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/, "expected letters, digits, _ . -, at most 64"),
  origins: z.array(originSchema).min(1).max(4_096).default([{}]),
  /** Share of the connections, in steps of 0.1. */
  percent: z.number().min(0.1).max(100).default(100),
  /** Copies are cut to this many bytes. */
  maxLen: z.number().int().min(14).max(65535).optional(),
  /** `from` the origin, `to` it, or both. */
  direction: z.enum(["from", "to", "both"]).default("both"),
});

export const maxSessions = 256;
export const sessionsSchema = z
  .array(sessionSchema)
  .max(maxSessions)
  .superRefine((sessions, context) => {
    const seen = new Set<string>();
    sessions.forEach(({ name }, i) => {
      if (seen.has(name)) context.addIssue({ code: "custom", message: `there are two sessions ${name}`, path: [i, "name"] });
      seen.add(name);
    });
  });

export type Origin = z.output<typeof originSchema>;
export type Session = z.output<typeof sessionSchema>;
