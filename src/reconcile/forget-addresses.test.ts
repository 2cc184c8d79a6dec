import type { BridgeRow, PortRow } from "../network/database-view.js";
import { goingPorts } from "./forget-addresses.js";

const port = (name: string, ofport: number): PortRow => ({ uuid: `u-${name}`, name, ofport }) as PortRow;
const bridge = (name: string, role: BridgeRow["role"], ...ports: PortRow[]): BridgeRow => ({ uuid: `u-${name}`, name, role, ports }) as unknown as BridgeRow;
const gone = (on: string, name: string) => ({ op: "delete-port", bridge: on, bridgeUuid: `u-${on}`, name, uuid: `u-${name}` }) as const;

test("what goes of shadow bridges, and of no others", () => {
  const bridges = [bridge("l1", undefined, port("shm-1", 0x8001)), bridge("shs1", "shadow", port("she-1", 1), port("she-2", 2)), bridge("shx1", "adapter", port("shb-1", 0x8001)), bridge("shs2", "shadow", port("she2-1", 1))];
  const deleted = { op: "delete-bridge", name: "shs2", uuid: "u-shs2", root: "r" } as const;
  expect(goingPorts([gone("l1", "shm-1"), gone("shx1", "shb-1"), { op: "delete-bridge", name: "shx1", uuid: "u-shx1", root: "r" }], bridges)).toEqual([]);
  expect(goingPorts([gone("shs1", "she-1"), gone("shs1", "she-2"), deleted, gone("shs2", "she2-1")], bridges)).toEqual([
    { bridge: "shs1", ports: new Map([[1, "she-1"], [2, "she-2"]]) },
    { bridge: "shs2", ports: "all" },
  ]);
});
