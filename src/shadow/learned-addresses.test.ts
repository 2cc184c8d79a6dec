/** What live's table of addresses says, what of it the shadow lacks, and the frame that teaches it. */
import type { LearnedAddress } from "../network/mac-table.js";
import { addressFrame, LearnedAddresses, missingAddresses, type BridgePair } from "./learned-addresses.js";

// As ovs-appctl 3.1 prints it.
const shown = ` port  VLAN  MAC                Age
LOCAL     0  8a:3d:5f:11:22:33    1
    2     0  00:00:00:00:00:02   14
   12    10  00:00:00:00:00:0c    0
    3     0  00:00:00:00:00:03  static
`;
const at = (port: number, mac: string, ageS: number, vlan = 0): LearnedAddress => ({ port, vlan, mac: `00:00:00:00:00:${mac}`, ageS, isStatic: false });

test("what live knows and the shadow does not, and what moved on live; what the shadow heard since is its own", () => {
  expect(missingAddresses([at(1, "01", 5), at(2, "02", 1), at(2, "02", 1, 10)], [at(2, "02", 9)], 10)).toEqual([at(2, "02", 1, 10), at(1, "01", 5)]);
  expect(missingAddresses([at(1, "01", 5)], [at(4, "01", 20)], 10)).toEqual([at(1, "01", 5)]);
  expect(missingAddresses([at(1, "01", 5)], [at(4, "01", 2), at(1, "02", 1)], 10)).toEqual([]);
  expect(missingAddresses([at(1, "01", 5), at(1, "02", 3), at(1, "03", 4)], [], 2)).toEqual([at(1, "02", 3), at(1, "03", 4)]);
});

test("the frame is from and to the address, tagged or not", () => {
  expect(Buffer.from(addressFrame("00:00:00:00:00:0c", undefined)).toString("hex")).toBe(`${"00000000000c".repeat(2)}88b5${"00".repeat(46)}`);
  expect(Buffer.from(addressFrame("00:00:00:00:00:0c", 10)).toString("hex")).toBe(`${"00000000000c".repeat(2)}8100000a88b5${"00".repeat(42)}`);
});

test("a look teaches by port and VLAN; a bridge that can't be asked does not keep the others back", async () => {
  const taught: string[] = [];
  const room = (bridge: string, live: () => Promise<string>): BridgePair => ({
    bridge,
    live,
    shadow: () => Promise.resolve(""),
    untagged: (port) => (port === 12 ? 10 : undefined),
    teach: (port, frame) => void taught.push(`${bridge} ${port} ${Buffer.from(frame.subarray(6, 14)).toString("hex")}`),
  });
  const learned = new LearnedAddresses(() => [room("s1", () => Promise.reject(new Error("no answer"))), room("s2", () => Promise.resolve(`${shown}    5    20  00:00:00:00:00:05    2\n`))]);
  await Promise.all([learned.look(), learned.look()]);
  expect(taught).toEqual(["s2 12 00000000000c88b5", "s2 5 0000000000058100", "s2 2 00000000000288b5"]);
  expect(learned.counters).toEqual({ taught: 3, failures: 1 });
  expect(learned.failure).toBe("s1: no answer");
});
