/** The addresses that a bridge has learned, as ovs-vswitchd's control socket tells them. */
import { port as reserved } from "node-openflow";

/** One row of `fdb/show`. */
export interface LearnedAddress {
  /** OpenFlow port number; OFPP_LOCAL for LOCAL. */
  readonly port: number;
  /** 0: no VLAN. */
  readonly vlan: number;
  /** Lower-case, colon-separated. */
  readonly mac: string;
  /** Since it was last heard, in s; 0 of a static one. */
  readonly ageS: number;
  readonly isStatic: boolean;
}

/** The rows of `ovs-appctl fdb/show`. Lines it can't read (the heading, ports without a number) are left out. */
export function readMacTable(shown: string): LearnedAddress[] {
  return [...shown.matchAll(/^\s*(\d+|LOCAL)\s+(\d+)\s+([0-9a-f]{2}(?::[0-9a-f]{2}){5})\s+(\d+|static)\s*$/gm)].map(([, port, vlan, mac = "", age]) => ({
    port: port === "LOCAL" ? reserved.local : Number(port),
    vlan: Number(vlan),
    mac,
    ageS: age === "static" ? 0 : Number(age),
    isStatic: age === "static",
  }));
}
