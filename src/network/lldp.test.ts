import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { decodeLldp, encodeLldp } from "./lldp.js";

const key = Buffer.from("a key of this controller");
const sender = { datapathId: 0x1122334455667788n, bridge: "leaf1", ofport: 7 };

test("a frame of ours is read back; one changed byte of what it says makes it forged", () => {
  const frame = encodeLldp(sender, key);
  expect(decodeLldp(frame, key)).toEqual({ is: "ours", from: sender });
  expect(decodeLldp(frame, Buffer.from("another key"))).toEqual({ is: "forged" });
  const changed = Buffer.from(frame);
  const at = changed.indexOf("leaf1");
  changed[at] = 0x6d;
  expect(decodeLldp(changed, key)).toEqual({ is: "forged" });
});

test("any prefix and any flipped byte is read without throwing, and none of them as ours with other words", () => {
  const frame = Buffer.from(encodeLldp(sender, key));
  for (let i = 0; i < frame.length; i++) {
    decodeLldp(frame.subarray(0, i), key);
    const flipped = Buffer.from(frame);
    flipped[i] = (flipped[i] ?? 0) ^ 0x55;
    const read = decodeLldp(flipped, key);
    if (read.is === "ours") expect(read.from).toEqual(sender);
  }
});

test("tshark dissects it without complaint", () => {
  const frame = encodeLldp(sender, key);
  const dir = mkdtempSync(`${tmpdir()}/lldp-`);
  try {
    const head = Buffer.alloc(24);
    head.writeUInt32LE(0xa1b2c3d4, 0);
    head.writeUInt16LE(2, 4);
    head.writeUInt16LE(4, 6);
    head.writeUInt32LE(65535, 16);
    head.writeUInt32LE(1, 20);
    const record = Buffer.alloc(16);
    record.writeUInt32LE(frame.length, 8);
    record.writeUInt32LE(frame.length, 12);
    writeFileSync(`${dir}/f.pcap`, Buffer.concat([head, record, frame]));
    const text = execFileSync("tshark", ["-r", `${dir}/f.pcap`, "-T", "fields", "-e", "lldp.chassis.id", "-e", "lldp.port.id", "-e", "_ws.malformed"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
    // tshark shows a locally assigned chassis id as the hex of its bytes, here ASCII.
    expect(text.trim().split("\t")).toEqual([Buffer.from("1122334455667788").toString("hex"), "7"]);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
