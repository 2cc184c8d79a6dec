import type { BridgeRow, PortRow } from "../network/database-view.js";
import { forgetAddresses, goingPorts } from "./forget-addresses.js";

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

describe("what is asked of ovs-vswitchd", () => {
  const asked = async (shown: string | undefined, ports: "all" | ReadonlyMap<number, string>): Promise<string[]> => {
    const questions: string[] = [];
    await forgetAddresses([{ bridge: "shs1", ports }], (method, params) => {
      questions.push([method, ...params].join(" "));
      return method !== "fdb/show" ? Promise.resolve("") : shown === undefined ? Promise.reject(new Error("the answer is too long")) : Promise.resolve(shown);
    });
    return questions.filter((question) => !question.startsWith("fdb/show"));
  };
  const going = new Map([[1, "she-1"]]);
  const row = (n: number): string => `    1     7  02:00:00:00:00:${n.toString(16).padStart(2, "0")}    3`;

  test("addresses behind the ports that go, and no others", async () => {
    const shown = ` port  VLAN  MAC                Age\n${row(1)}\n    2     0  02:00:00:00:00:09    1\n    1     0  02:00:00:00:00:08   static\n`;
    expect(await asked(shown, going)).toEqual(["fdb/add shs1 she-1 7 02:00:00:00:00:01", "fdb/del shs1 7 02:00:00:00:00:01"]);
  });
  test("the whole table where the bridge goes, where there are many, and where it can't be read", async () => {
    expect(await asked("", "all")).toEqual(["fdb/flush shs1"]);
    expect(await asked(Array.from({ length: 65 }, (_, i) => row(i)).join("\n"), going)).toEqual(["fdb/flush shs1"]);
    expect(await asked(undefined, going)).toEqual(["fdb/flush shs1"]);
  });
});
