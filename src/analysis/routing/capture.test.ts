import { spawn } from "node:child_process";
import { RoutingCapture } from "./capture.js";

test("a stream that can't be read ends the capture with its reason; frames before it count", async () => {
  const header = "\\324\\303\\262\\241\\2\\0\\4\\0" + "\\0".repeat(8) + "\\0\\0\\1\\0\\1\\0\\0\\0";
  const record = "\\0".repeat(8) + "\\2\\0\\0\\0\\2\\0\\0\\0ab";
  const huge = "\\0".repeat(8) + "\\377\\377\\377\\177\\2\\0\\0\\0";
  const child = spawn("sh", ["-c", `echo 'listening on x0' >&2; printf '${header}${record}${huge}'; exec sleep 60`], { stdio: ["ignore", "pipe", "pipe"] });
  let frames = 0;
  const ended = new Promise<readonly [string, boolean]>((resolve, reject) => {
    RoutingCapture.from(child, { device: "x0", frame: () => frames++, ended: (why, isUnreadable) => resolve([why, isUnreadable]) }).catch(reject);
  });
  const [why, isUnreadable] = await ended;
  expect(why).toMatch(/^the capture on x0 can't be read: record of 2147483647 bytes/);
  expect([isUnreadable, frames]).toEqual([true, 1]);
});
