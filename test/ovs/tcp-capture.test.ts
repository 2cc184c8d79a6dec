/** The connections of a capture, by the command line as it was built, beside tshark's reading of the same file. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { projectDir } from "../../lab/capsule.js";
import type { Connection, ListConnectionsResponse } from "../../src/api/generated/ovsshadow/v1/telemetry.js";

const capture = `${projectDir}/src/analysis/routing/fixtures/frr-bird-bgp.pcap`;
const ctl = (...args: string[]) => spawnSync(process.execPath, [`${projectDir}/dist/src/cli/main.js`, "connections", ...args, "--output", "json"], { encoding: "utf8" });

test("segments and bytes of every connection, each way, are tshark's", () => {
  const args = ["-r", capture, "-Y", "tcp", "-T", "fields", "-E", "separator=,", ...["ip.src", "ipv6.src", "tcp.srcport", "ip.dst", "ipv6.dst", "tcp.dstport", "tcp.len"].flatMap((field) => ["-e", field])];
  const theirs = new Map<string, { segments: number; bytes: number }>();
  for (const line of execFileSync("tshark", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim().split("\n")) {
    const [src4, src6, srcPort, dst4, dst6, dstPort, length] = line.split(",");
    const key = `${src4 || src6} ${srcPort} ${dst4 || dst6} ${dstPort}`;
    const known = theirs.get(key) ?? { segments: 0, bytes: 0 };
    theirs.set(key, { segments: known.segments + 1, bytes: known.bytes + Number(length) });
  }
  const { status, stdout, stderr } = ctl("--pcap", capture);
  expect([status, stderr]).toEqual([0, ""]);
  const { connections, counters } = JSON.parse(stdout) as ListConnectionsResponse;
  const way = (from: Connection["client"], to: Connection["client"]) => [`${from?.address} ${from?.port} ${to?.address} ${to?.port}`, { segments: from?.segments, bytes: (from?.appBytes ?? 0) + (from?.retransmittedBytes ?? 0) }] as const;
  const ours = new Map(connections.flatMap(({ client, server }) => [way(client, server), way(server, client)]).filter(([, { segments }]) => segments !== 0));
  expect(theirs.size).toBeGreaterThan(1);
  expect(Object.fromEntries(ours)).toEqual(Object.fromEntries(theirs));
  expect(counters?.segments).toBe([...theirs.values()].reduce((sum, { segments }) => sum + segments, 0));
});

test("a capture that was cut off: the table up to there, the reason and the place, and exit status 1", () => {
  const dir = mkdtempSync(`${tmpdir()}/connections-`);
  try {
    writeFileSync(`${dir}/cut.pcap`, readFileSync(capture).subarray(0, 5_000));
    const { status, stdout, stderr } = ctl("--pcap", `${dir}/cut.pcap`);
    expect(status).toBe(1);
    expect(stderr).toMatch(/cut\.pcap: ends within a record, \d+ bytes of it are there \(at byte 5000\); the connections up to there are shown/);
    expect((JSON.parse(stdout) as ListConnectionsResponse).connections.length).toBeGreaterThan(0);
    expect(ctl("--pcap", `${dir}/missing.pcap`)).toMatchObject({ status: 1, stdout: "", stderr: expect.stringContaining("ENOENT") as string });
  } finally {
    rmSync(dir, { recursive: true });
  }
});
