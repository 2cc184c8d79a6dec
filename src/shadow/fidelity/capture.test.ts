import { spawn } from "node:child_process";
import { captureFrom } from "./capture.js";

/** A child that says what tcpdump says, gives `bytes` (as printf has them), and then stays until it is ended. */
const child = (bytes: string) => spawn("sh", ["-c", `echo 'listening on x0, link-type EN10MB' >&2; printf '${bytes}'; exec sleep 60`], { stdio: ["ignore", "pipe", "pipe"] });

test("what can't be read is an error that is told, not one that ends the process", async () => {
  const from = child("this is no capture, and never was one");
  await expect(captureFrom(from, "x0", 10, 60_000)).rejects.toThrow(/the capture on x0 can't be read: not a capture \(at byte 0\)/);
  expect(from.signalCode).toBe("SIGINT");
});

test("a record that can't be, behind one that is fine, ends it as well", async () => {
  // A header with the link type Ethernet, then a record of 2 bytes, then one of 2 GB.
  const header = "\\324\\303\\262\\241\\2\\0\\4\\0" + "\\0".repeat(8) + "\\0\\0\\1\\0\\1\\0\\0\\0";
  const record = "\\0".repeat(8) + "\\2\\0\\0\\0\\2\\0\\0\\0ab";
  const huge = "\\0".repeat(8) + "\\377\\377\\377\\177\\2\\0\\0\\0";
  await expect(captureFrom(child(header + record + huge), "x0", 10, 60_000)).rejects.toThrow("record of 2147483647 bytes");
});
