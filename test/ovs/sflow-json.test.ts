/** The tool sflow-json as it is built. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { datagramJson, PcapStream } from "sflow-collector";
import { projectDir } from "../../lab/capsule.js";

const tool = `${projectDir}/sflow/dist/bin/sflow-json.js`;
const vector = `${projectDir}/sflow/vectors/ovs-3.1-structures.pcap`;
const payloads = new PcapStream().push(readFileSync(vector)).map((packet) => packet.bytes.subarray(42));
const run = (args: readonly string[], input: string | Uint8Array = ""): { readonly lines: unknown[]; readonly stderr: string; readonly status: number | null } => {
  const { stdout, stderr, status } = spawnSync(process.execPath, [tool, ...args], { input, encoding: "utf8", maxBuffer: 64 << 20 });
  return { lines: stdout.split("\n").filter(Boolean).map((line) => JSON.parse(line) as unknown), stderr, status };
};
const expected = payloads.map((bytes) => JSON.parse(datagramJson(bytes)) as object);

test("--pcap: a datagram a line, of pcap and of pcapng, from a file and from the standard input", () => {
  const { lines, status } = run(["--pcap", vector]);
  expect(status).toBe(0);
  expect(lines).toMatchObject(expected);
  expect(lines[0]).toMatchObject({ source: "127.0.0.1" });
  // editcap comes with tshark.
  const pcapng = execFileSync("editcap", ["-F", "pcapng", vector, "-"], { maxBuffer: 64 << 20 });
  expect(run(["--pcap", "-"], pcapng).lines).toEqual(lines);
});

test("--hex: a datagram a line; a malformed one is told with what comes before the fault, and the next goes on", () => {
  const [first = new Uint8Array(), second = new Uint8Array()] = payloads;
  const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
  const cut = first.subarray(0, first.length - 8);
  const { lines, status } = run(["--hex"], [hex(first), hex(cut), "no hex", "f".repeat(300_000), "", hex(second)].join("\n"));
  expect(status).toBe(0);
  expect(lines).toHaveLength(5);
  expect(lines[0]).toEqual(expected[0]);
  const whole = expected[0] as { readonly samples: readonly unknown[] };
  expect(lines[1]).toMatchObject({ error: { code: "truncated", message: expect.any(String) as string, offset: expect.any(Number) as number }, samples: whole.samples.slice(0, -1) });
  expect(lines[2]).toMatchObject({ error: { code: "hex" }, samples: [] });
  expect(lines[3]).toMatchObject({ error: { code: "length" }, samples: [] });
  expect(lines[4]).toEqual(expected[1]);
});

test("--listen: datagrams as they arrive, until it is ended", async () => {
  const child = spawn(process.execPath, [tool, "--listen", "0", "--host", "127.0.0.1"], { stdio: ["ignore", "pipe", "pipe"] });
  const [said] = (await once(createInterface({ input: child.stderr }), "line")) as [string];
  const port = Number(/port (\d+)/.exec(said)?.[1]);
  const line = once(createInterface({ input: child.stdout }), "line");
  const socket = createSocket("udp4");
  socket.send(payloads[0] ?? Buffer.alloc(0), port, "127.0.0.1");
  expect(JSON.parse(((await line) as [string])[0])).toMatchObject({ source: "127.0.0.1", ...expected[0] });
  socket.close();
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  expect(await exited).toEqual([0, null]);
});

test("wrong use and files that are no captures are told", () => {
  expect(run([])).toMatchObject({ status: 2, stderr: expect.stringContaining("usage") as string });
  expect(run(["--hex", "--listen", "1"])).toMatchObject({ status: 2 });
  expect(run(["--listen", "70000"])).toMatchObject({ status: 2, stderr: expect.stringContaining("not a port") as string });
  expect(run(["--pcap", "/nowhere"])).toMatchObject({ status: 1, stderr: expect.stringContaining("ENOENT") as string });
  expect(run(["--pcap", tool])).toMatchObject({ status: 1, lines: [{ error: { code: "version" }, samples: [] }] });
});
