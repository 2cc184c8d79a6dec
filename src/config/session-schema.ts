/** What a replication session may say, in the configuration and in a request. docs/replication.md explains it. */
import { z } from "zod";

/** Which announced routes: all keys that are given must hold; none: every route. */
export const routesSchema = z.strictObject({
  /** Who announced it: a neighbour's address, or, for OSPF, a router id. */
  from: z.union([z.ipv4(), z.ipv6()]).optional(),
  /** How it was heard. */
  source: z.enum(["bgp", "bmp", "ospf", "ospf3"]).optional(),
  /** The prefix lies within this one. */
  within: z.union([z.cidrv4(), z.cidrv6()], "expected a prefix, as 10.0.0.0/8").optional(),
});
export type RouteSelector = z.output<typeof routesSchema>;

/** Prefixes that one origin follows at most; those announced first stay. */
export const maxPrefixes = 1_000;

/** What is announced at the moment of the routes an origin selects. */
export interface Announced {
  readonly prefixes: readonly string[];
  /** Prefixes beyond the bound, which are not followed. */
  readonly leftOut: number;
}

const mac = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i;

/**
 * Where a session takes its packets from. Without any key: from every edge port. Keys narrow each other, except that of
 * `host`, `match` and `routes` there is at most one.
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
    /** What goes to, or comes from, the prefixes that routers announce at the moment. */
    routes: routesSchema.optional(),
  })
  .refine((origin) => origin.port === undefined || origin.bridge !== undefined, { message: "a port needs its bridge", path: ["port"] })
  .refine((origin) => origin.host === undefined || origin.match === undefined, { message: "host and match exclude each other", path: ["match"] })
  .refine((origin) => origin.routes === undefined || (origin.host === undefined && origin.match === undefined), { message: "routes, host and match exclude each other", path: ["routes"] });

export const sessionSchema = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/, "expected letters, digits, _ . -, at most 64"),
  origins: z.array(originSchema).min(1).max(4_096).default([{}]),
  /** Share of the connections, in steps of 0.1. */
  percent: z.number().min(0.1).max(100).default(100),
  /** The share follows the traffic, within `shadow.copyBudget`, up to `percent`. */
  auto: z.boolean().optional(),
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

/** `announced` is filled in for an origin with `routes` when the session is carried out; undefined while nobody listens to routing. */
export type Origin = z.output<typeof originSchema> & { readonly announced?: Announced };
export type Session = Omit<z.output<typeof sessionSchema>, "origins"> & { readonly origins: readonly Origin[] };
