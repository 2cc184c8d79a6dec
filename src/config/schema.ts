/** The configuration: one schema for types, checks and defaults. Units are in the names. docs/configuration.md explains it. */
import { z } from "zod";
import { levelKeys } from "./level-schema.js";
import { sinksSchema } from "./sink-schema.js";
import { sessionsSchema } from "./session-schema.js";

const remote = /^(unix:[^,]+|(tcp|ssl):(\[[^\]]+\]|[^:,]+):\d{1,5})$/;
/** One database server, or all of a cluster, which are tried in turn. */
const remotes = z.string().refine((text) => text.split(",").every((one) => remote.test(one.trim())), "expected unix:PATH, tcp:HOST:PORT or ssl:HOST:PORT, or several with commas between them");
const path = z.string().min(1);
const ratio = z.number().min(0).max(1);
const milliseconds = z.number().int().min(0);

const plainSchema = z.strictObject({
  /** The live network's database. */
  ovsdb: remotes.default("unix:/run/openvswitch/db.sock"),
  /** Files in PEM form, for ssl:. They are read anew for each connection. */
  ovsdbTls: z
    .strictObject({
      privateKey: path,
      certificate: path,
      /** Who signed the server's certificate. */
      ca: path,
      /** Without a file at `ca`, take it over from the server at the first contact. */
      bootstrapCa: z.boolean().default(false),
    })
    .optional(),
  /** Live bridges to take: all that are not ours, or these. */
  bridges: z.union([z.literal("all"), z.array(z.string().min(1)).min(1)]).default("all"),
  openflow: z
    .strictObject({
      /** Where the management sockets BRIDGE.mgmt are. */
      runDir: z.string().min(1).default("/run/openvswitch"),
      /** Also listen for switches that dial us: ptcp:PORT[:HOST]. */
      listen: z.string().regex(/^ptcp:\d+(:.+)?$/, "expected ptcp:PORT[:HOST]").optional(),
    })
    .prefault({}),
  forward: z.strictObject({ enabled: z.boolean().default(true) }).prefault({}),
  shadow: z
    .strictObject({
      enabled: z.boolean().default(true),
      replicate: z.boolean().default(true),
      /** What the shadow would have delivered is shown on the adapter's LOCAL device, where it can be captured. */
      showSink: z.boolean().default(false),
      /** How long the shadow keeps what vanished from live. */
      holdMs: milliseconds.default(60_000),
      /** Live bridges, or hosts by MAC or IP address, whose bridges come first when much has to be brought in step. */
      critical: z.array(z.string().min(1)).max(1_000).default([]),
      /** File with more of them (ovs-shadowctl shadow critical --out). */
      criticalFile: z.string().min(1).optional(),
      ...levelKeys,
      fidelity: z
        .strictObject({
          /** The least share of a port's packets that must be copied; below it there is an alert. */
          target: ratio.default(0.999),
        })
        .prefault({}),
      /** How current every bridge, port and table of the shadow is to be; an alert tells of one that is not. */
      staleness: z
        .strictObject({
          /** The longest that something may be behind live … */
          targetMs: milliseconds.min(1).default(5_000),
          /** … except so long after its bridge was first seen: all of a bridge is made then … */
          firstMs: milliseconds.default(60_000),
          /** … and the longest since it was last proved equal: the audit takes at most 120 s for a round. */
          provedMs: milliseconds.min(1).default(180_000),
          /** The least share of the time in which the target is to be kept. */
          objective: ratio.default(0.999),
        })
        .prefault({}),
      /** The copy is shed while ovs-vswitchd bears more than this. */
      budget: z
        .strictObject({
          enabled: z.boolean().default(true),
          /** Share of the time its busiest thread runs or waits for a processor. */
          cpu: ratio.default(0.95),
          upcallsPerS: z.number().min(0).default(5_000),
          megaflows: z.number().min(0).default(50_000),
          receiveDropsPerS: z.number().min(0).default(100),
          /** How long the pressure must be gone before copies come back. */
          holdMs: milliseconds.default(5_000),
        })
        .prefault({}),
      /** The shadow on another host: its own database and switch daemon, reached by a tunnel for each live bridge. */
      remote: z
        .strictObject({
          ovsdb: remotes,
          /** Where the management sockets of the shadow's bridges are. */
          runDir: z.string().min(1),
          type: z.enum(["vxlan", "geneve"]).default("vxlan"),
          /** Addresses of the tunnel's ends: of the live host, and of the shadow's. */
          liveAddress: z.ipv4(),
          shadowAddress: z.ipv4(),
          /** MTU of the network between them; it must carry a live frame and 58 bytes. */
          mtu: z.number().int().min(68).max(65535),
          /** First of 4,096 UDP ports, of which each bridge takes one. */
          basePort: z.number().int().min(1024).max(61439).default(20_000),
        })
        .optional(),
      /** Collectors elsewhere that get the copies, too. */
      sinks: sinksSchema.default([]),
      /** Hosts that are real in the shadow, too: network namespaces with their addresses, probed with each other there. Needs root. */
      nodes: z
        .strictObject({
          /** So many at most, behind the busiest pairs' edge ports; 0: none. */
          count: z.number().int().min(0).max(64).default(0),
          /** Pairs probed at once. */
          maxPairs: z.number().int().min(1).max(64).default(8),
          /** ICMP echo requests a second and pair. */
          probesPerS: z.number().min(0.1).max(100).default(5),
          /** TCP payload a second, pair and direction; a latency is compared from 20 kB on. */
          transferKiBPerS: z.number().int().min(1).max(1_024).default(32),
          /** TCP port on which nodes take it. */
          tcpPort: z.number().int().min(1).max(65535).default(21_320),
        })
        .prefault({}),
      /** What may be copied a second in all, in packets or in bits on the wire: sessions with `auto` take what the others leave of it. */
      copyBudget: z
        .union([z.strictObject({ packetsPerS: z.number().min(1) }), z.strictObject({ bitsPerS: z.number().min(1_000) })], "expected packetsPerS (from 1) or bitsPerS (from 1000)")
        .optional(),
      /**
       * What copies a port of which a session asks for everything. ovs-vswitchd forgets all that NORMAL has learned on a bridge when a port goes that a
       * Mirror row names: "auto" has flows copy where live forwards by NORMAL and we don't forward, and Mirror rows elsewhere.
       */
      copyBy: z.enum(["auto", "mirrors", "flows"]).default("auto"),
      /** Sessions that take a fraction are suspended when ovs-vswitchd caches more flows than this. */
      maxCachedFlows: z.number().int().min(100).default(50_000),
      /** What is copied; without it, and without a profile, everything that comes in by any edge port. */
      sessions: sessionsSchema.optional(),
      /** File with the edge ports of a chosen part: they are copied, besides what sessions say. */
      profile: z.string().min(1).optional(),
    })
    .prefault({}),
  /** The links that the live network is meant to have. */
  topology: z
    .strictObject({
      /** File with all of them; without it they are those first seen. */
      file: z.string().min(1).optional(),
    })
    .prefault({}),
  sflow: z
    .strictObject({
      host: z.string().default("127.0.0.1"),
      port: z.number().int().min(1).max(65535).default(6343),
      samplingRate: z.number().int().min(1).default(16),
      /** How often agents tell their ports' counters, which we read by OpenFlow: they only show that an agent lives. */
      pollingS: z.number().int().min(0).default(30),
      /** Samples a second to spend over all bridges; each bridge's rate follows its traffic. Unset: samplingRate everywhere. */
      budgetSamplesPerS: z.number().min(1).optional(),
      /** Share of a core above which the budget shrinks. */
      maxCpu: z.number().min(0.01).max(1).default(0.5),
      /** Device whose address identifies the agent; lo where the host has no other. */
      agent: z.string().default("lo"),
    })
    .prefault({}),
  telemetry: z
    .strictObject({
      /** What features are of, of a packet in VXLAN, Geneve, GRE or IP in IP: the tunnel's ends, or what is inside. */
      tunnels: z.enum(["outer", "inner"]).default("outer"),
      tcp: z
        .strictObject({
          /** Capture the copies on the adapters' LOCAL devices and keep the state of every TCP connection. Takes the place of shadow.showSink. */
          enabled: z.boolean().default(false),
          /** Connections known at once; about 1.1 kB each. */
          maxConnections: z.number().int().min(1).max(4_000_000).default(65_536),
        })
        .prefault({}),
      flows: z
        .strictObject({
          /** Keep a record of every flow of live: what sFlow, the flow entries, connection tracking and captures say of it. */
          enabled: z.boolean().default(false),
          /** Flows known at once; about 2 kB each. */
          maxFlows: z.number().int().min(1).max(1_000_000).default(16_384),
          /** Count copies by flow, and say what application each is: copies are shown on the adapters' LOCAL devices all the time. Not with shadow.remote. */
          capture: z.boolean().default(true),
          /** Bytes captured of a frame. 128 see no TLS server name. */
          snapLength: z.number().int().min(96).max(65_535).default(512),
          /** Compare what live and shadow deliver, flow by flow: gives each adapter a device that shows what the shadow would deliver. Needs capture. */
          compare: z.boolean().default(false),
        })
        .prefault({}),
    })
    .prefault({}),
  /** Folder of the attack model; none: no predictions. */
  model: z.string().optional(),
  policy: z
    .strictObject({
      attack: z
        .strictObject({
          enabled: z.boolean().default(true),
          /** Predictions below this confidence are recorded and not acted on. */
          minConfidence: ratio.default(0.9),
          /** Windows in a row that must say attack. */
          windows: z.number().int().min(1).default(2),
          leaseS: z.number().int().min(1).max(3600).default(30),
          maxRules: z.number().int().min(1).max(1000).default(32),
          /** A trial passes when the rule meets at least this share of the attack … */
          minAttackRatio: ratio.default(0.95),
          /** … and at most this share of the benign packets. */
          maxBenignRatio: ratio.default(0.01),
          trialMs: milliseconds.min(100).default(1_000),
          /** Try and record, push nothing. */
          dryRun: z.boolean().default(false),
        })
        .prefault({}),
      promotion: z
        .strictObject({
          /** Promote by ourselves when hosts that reached each other no longer can on live, and can on the shadow. */
          automatic: z.boolean().default(true),
          /** Live must be whole again for this long before it takes back over. */
          holdDownMs: milliseconds.default(3_000),
        })
        .prefault({}),
    })
    .prefault({}),
  analysis: z
    .strictObject({
      /** What routers and hosts say to each other, heard from copies. */
      routing: z
        .strictObject({
          enabled: z.boolean().default(false),
          /** Listen to the copies of all replicated edge ports, on the adapters' LOCAL devices. */
          copies: z.boolean().default(true),
          /** Other devices in this network namespace to listen on. */
          devices: z.array(z.string().min(1).max(15)).max(256).default([]),
          maxRoutes: z.number().int().min(1).max(10_000_000).default(200_000),
          /** Accept routers' BMP connections: HOST:PORT. */
          bmp: z.string().regex(/^.+:\d+$/, "expected HOST:PORT").optional(),
        })
        .prefault({}),
      /** The record of edits by anyone. */
      edits: z
        .strictObject({
          enabled: z.boolean().default(true),
          /** Who else writes here, known by its cookies ("VALUE" or "VALUE/MASK") or its ids of groups and meters ("FROM-TO"). */
          owners: z
            .array(
              z.strictObject({
                name: z.string().min(1).max(64),
                cookie: z.string().regex(/^0x[0-9a-fA-F]{1,16}(\/0x[0-9a-fA-F]{1,16})?$/, "expected 0xVALUE or 0xVALUE/0xMASK").optional(),
                ids: z.string().regex(/^\d{1,10}-\d{1,10}$/, "expected FROM-TO").optional(),
              }),
            )
            .max(256)
            .default([]),
        })
        .prefault({}),
      /** Events kept in memory for the API. */
      keptEvents: z.number().int().min(100).max(1_000_000).default(10_000),
    })
    .prefault({}),
  api: z.strictObject({ listen: z.string().regex(/^.+:\d+$/, "expected HOST:PORT").default("127.0.0.1:50051") }).prefault({}),
  /** Where observations and events are kept. */
  store: z
    .strictObject({
      kind: z.enum(["duckdb", "influxdb", "victoriametrics", "none"]).default("duckdb"),
      /** duckdb: the file; default is store.duckdb in stateDir. */
      path: z.string().min(1).optional(),
      /** influxdb, victoriametrics: where it listens, and the name of the database. */
      url: z.url({ protocol: /^https?$/ }).default("http://127.0.0.1:8086"),
      database: z.string().regex(/^[A-Za-z0-9_]+$/, "expected letters, digits and _").default("ovs_shadow"),
      /** How long each tier is kept, in hours. */
      keepH: z
        .strictObject({
          raw: z.number().min(0.1).default(6),
          second: z.number().min(1).default(72),
          minute: z.number().min(1).default(24 * 60),
          hour: z.number().min(1).default(24 * 730),
          events: z.number().min(1).default(24 * 60),
        })
        .refine(({ raw, second }) => second >= raw + 1, { path: ["second"], error: "must be kept an hour longer than raw, from which late rows are rolled up again" })
        .prefault({}),
      /** duckdb: beyond this size the oldest goes before its time. */
      maxMb: z.number().int().min(16).default(8_192),
      /** Memory for the file's buffers. */
      memoryMb: z.number().int().min(64).default(128),
      /** Rows that may wait to be written. */
      maxWaiting: z.number().int().min(1_000).default(200_000),
    })
    .prefault({}),
  stateDir: z.string().min(1).default("/var/lib/ovs-shadow"),
  log: z.strictObject({ level: z.enum(["trace", "debug", "info", "warn", "error", "silent"]).default("info") }).prefault({}),
});

export const configSchema = plainSchema.superRefine(({ ovsdb, ovsdbTls }, context) => {
  if (/(^|,)\s*ssl:/.test(ovsdb) && ovsdbTls === undefined) context.addIssue({ code: "custom", path: ["ovsdb"], message: "ssl: needs ovsdbTls with privateKey, certificate and ca" });
});

export type Config = z.output<typeof configSchema>;
