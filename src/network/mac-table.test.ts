/** What ovs-appctl fdb/show prints, read. */
import { readMacTable } from "./mac-table.js";

// As ovs-appctl 3.1 prints it.
const shown = ` port  VLAN  MAC                Age
LOCAL     0  8a:3d:5f:11:22:33    1
    2     0  00:00:00:00:00:02   14
   12    10  00:00:00:00:00:0c  300
    3     0  00:00:00:00:00:03  static
`;

test("ports, VLANs, ages; LOCAL and static ones; the heading is no row", () => {
  expect(readMacTable(shown)).toEqual([
    { port: 0xfffffffe, vlan: 0, mac: "8a:3d:5f:11:22:33", ageS: 1, isStatic: false },
    { port: 2, vlan: 0, mac: "00:00:00:00:00:02", ageS: 14, isStatic: false },
    { port: 12, vlan: 10, mac: "00:00:00:00:00:0c", ageS: 300, isStatic: false },
    { port: 3, vlan: 0, mac: "00:00:00:00:00:03", ageS: 0, isStatic: true },
  ]);
  expect(readMacTable("")).toEqual([]);
});
