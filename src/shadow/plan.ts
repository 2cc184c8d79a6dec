/**
 * The rows of the shadow of a whole network, made bridge by bridge and kept: a bridge is planned again only when it, one of its
 * cables, its settings or an option changed. An unchanged bridge keeps the very same values, which nobody compares again.
 */
import type { BridgeRow, Tables } from "../network/database-view.js";
import { portKey, type Bridge, type Link, type Network, type PortRef } from "../network/model.js";
import { mark } from "../network/pipeline.js";
import type { DesiredBridge, DesiredPort, Settings } from "../reconcile/database-state.js";
import { desiredShadow, type DesiredShadow, type ShadowOptions } from "./desired-shadow.js";
import { liveSettings, portWith, withSettings, type LiveSettings } from "./settings.js";

export type PlanOptions = Omit<ShadowOptions, "tags" | "foreignMirrors"> & { readonly settings: boolean };

interface Planned {
  readonly bridge: Bridge;
  readonly live: Bridge | undefined;
  readonly row: BridgeRow | undefined;
  readonly links: string;
  readonly options: string;
  readonly rows: DesiredShadow;
}

const noPorts: ReadonlyMap<number, never> = new Map<number, never>();

export class ShadowPlan {
  private readonly tables: Tables;
  private readonly planned = new Map<string, Planned>();
  private readonly settings = new WeakMap<BridgeRow, LiveSettings>();
  /** Bridges planned since the start: what a change costs. */
  plannedBridges = 0;

  constructor(tables: Tables) {
    this.tables = tables;
  }

  /** Rows for the shadow of `source`; `rowOf` gives the database's row of a live bridge. */
  rows(source: Network, live: Network, rowOf: (bridge: string) => BridgeRow | undefined, options: PlanOptions): DesiredShadow {
    const links = linksByBridge(source.links);
    const optionsText = JSON.stringify((Object.entries(options) as [string, unknown][]).map(([name, value]) => [name, value instanceof Map ? [...(value as Map<unknown, unknown>)] : value]));
    const bridges: DesiredBridge[] = [];
    const livePorts = new Map<string, readonly DesiredPort[]>();
    const left: DesiredShadow["left"][number][] = [];
    for (const [name, bridge] of source.bridges) {
      const cables = links.get(name) ?? [];
      const cablesText = cables.map(({ a, b }) => `${portKey(a)}${source.bridges.has(a.bridge) ? "-" : "!"}${portKey(b)}${source.bridges.has(b.bridge) ? "" : "!"}`).join();
      const row = rowOf(name);
      let known = this.planned.get(name);
      if (known?.bridge !== bridge || known.live !== live.bridges.get(name) || known.row !== row || known.links !== cablesText || known.options !== optionsText) {
        known = { bridge, live: live.bridges.get(name), row, links: cablesText, options: optionsText, rows: this.plan(bridge, cables, source, live, row, options) };
        this.planned.set(name, known);
        this.plannedBridges++;
      }
      for (const one of known.rows.bridges) bridges.push(one);
      for (const [on, ports] of known.rows.livePorts) livePorts.set(on, ports);
      for (const one of known.rows.left) left.push(one);
    }
    for (const name of this.planned.keys()) if (!source.bridges.has(name)) this.planned.delete(name);
    return { bridges, livePorts, left };
  }

  private plan(bridge: Bridge, cables: readonly Link[], source: Network, live: Network, row: BridgeRow | undefined, options: PlanOptions): DesiredShadow {
    const { name } = bridge;
    const settings = row === undefined ? undefined : this.settingsOf(row);
    // A network of this bridge and, so that its cables have far ends, its neighbours without ports.
    const far = cables.flatMap(({ a, b }) => [a, b]).map((end) => source.bridges.get(end.bridge));
    const around = new Map<string, Bridge>(far.flatMap((one) => (one === undefined ? [] : [[one.name, { ...one, ports: noPorts }] as const])));
    const here: Network = { bridges: around.set(name, bridge), links: cables, hosts: new Map() };
    const liveHere = live.bridges.get(name);
    const rows = desiredShadow(here, { bridges: liveHere === undefined ? new Map() : new Map([[name, liveHere]]), links: [], hosts: new Map() }, {
      ...options,
      tags: new Map([...(settings?.tags ?? [])].map(([ofport, tag]) => [portKey({ bridge: name, ofport }), tag])),
      foreignMirrors: new Map([[name, row === undefined ? 0 : foreignMirrors(this.tables, row)]]),
    });
    const own = rows.bridges.filter((one) => one.live === name);
    const onLive = rows.livePorts.get(name);
    const added = options.settings && settings !== undefined ? settings : undefined;
    return {
      bridges: added === undefined ? own : own.map((one) => withSettings(one, added)),
      livePorts: onLive === undefined ? new Map() : new Map([[name, onLive.map((port) => (added === undefined ? port : portWith(port, vlanOnly(added, port))))]]),
      left: [...rows.left, ...(settings?.left ?? [])],
    };
  }

  private settingsOf(row: BridgeRow): LiveSettings {
    let settings = this.settings.get(row);
    if (settings === undefined) this.settings.set(row, (settings = liveSettings(this.tables, row)));
    return settings;
  }
}

/** A replica port has its edge port's VLANs, so that a mirrored copy leaves as the frame came in; nothing else of it. */
function vlanOnly(settings: LiveSettings, port: DesiredPort): Settings | undefined {
  const edge: PortRef["ofport"] = Number(port.live.slice(port.live.lastIndexOf(":") + 1));
  const all = settings.ports.get(edge);
  if (all === undefined) return undefined;
  let vlans = vlansOf.get(all);
  if (vlans === undefined) vlansOf.set(all, (vlans = new Map([...all].filter(([column]) => column === "vlan_mode" || column === "tag" || column === "trunks"))));
  return vlans;
}

const vlansOf = new WeakMap<Settings, Settings>();

function linksByBridge(links: readonly Link[]): Map<string, Link[]> {
  const byBridge = new Map<string, Link[]>();
  const add = (bridge: string, link: Link): void => {
    const list = byBridge.get(bridge);
    if (list === undefined) byBridge.set(bridge, [link]);
    else list.push(link);
  };
  for (const link of links) {
    add(link.a.bridge, link);
    if (link.b.bridge !== link.a.bridge) add(link.b.bridge, link);
  }
  return byBridge;
}

/** Mirror rows on a bridge that are not ours. */
function foreignMirrors(tables: Tables, row: BridgeRow): number {
  return row.mirrors.filter((uuid) => {
    const ids = tables.table("Mirror").get(uuid)?.["external_ids"];
    return !(ids instanceof Map && ids.has(mark.role));
  }).length;
}
