import { createSocket } from "node:dgram";
import { kernelDrops } from "../index.js";
import { dropsIn } from "./kernel-drops.js";

test("the kernel's drops are those of our own sockets on the port", () => {
  const table = [
    "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops",
    "  123: 0100007F:18C7 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4711 2 0000000000000000 17",
    "  124: 00000000:18C7 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4712 2 0000000000000000 4",
    "  125: 00000000:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4713 2 0000000000000000 1000",
    "",
  ].join("\n");
  expect(dropsIn(table, (port, inode) => port === 6_343 && inode !== "4712")).toBe(17);
  expect(dropsIn(table, (port) => port === 6_343)).toBe(21);
});

test("a socket of ours that dropped nothing; what is bound again begins anew", async () => {
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  expect(kernelDrops(socket.address().port)).toBe(0);
  socket.close();
});
