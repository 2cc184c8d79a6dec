/** Application labels of traffic between real servers and clients on the lab, on ports that say nothing; and what a capture of 128 bytes misses of it. */
import { once } from "node:events";
import { Network } from "../../lab/fabric.js";
import { startChainServer } from "../../lab/traffic.js";
import { projectDir } from "../../lab/capsule.js";
import { waitFor } from "../../lab/wait.js";
import { flowsOf, type OfflineFlow } from "../../src/telemetry/flows/offline.js";

const file = "/run/lab/labels.pcap";
const ports = { http: 8_123, tls: 9_999, smtp: 2_555 };
const requests = 5;

let network: Network;
beforeAll(async () => {
  network = await Network.start();
  const { capsule } = network.ovs;
  await capsule.run("mkdir", ["-p", "/run/lab"]);
  await capsule.run("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "/run/lab/key.pem", "-out", "/run/lab/cert.pem", "-subj", "/CN=shop.lab", "-days", "2"]);
  network.spawn("h3", "python3", ["-m", "http.server", String(ports.http)], { stdio: "ignore", cwd: projectDir });
  network.spawn("h3", "openssl", ["s_server", "-accept", String(ports.tls), "-cert", "/run/lab/cert.pem", "-key", "/run/lab/key.pem", "-alpn", "h2", "-quiet"], { stdio: "ignore" });
  network.spawn("h3", "python3", ["-W", "ignore", "-c", `import asyncore, smtpd\nsmtpd.SMTPServer(("0.0.0.0", ${ports.smtp}), None)\nasyncore.loop()`], { stdio: "ignore" });
  await startChainServer(network, "h3", "names");
}, 60_000);
afterAll(() => network.stop());

const python = (program: string) => network.exec("h1", "python3", ["-c", program], { mayFail: true });

test("every flow has its label, by what was seen; 128 bytes of each frame lack the names of TLS and little else", async () => {
  const { ip } = network.host("h3");
  for (const port of Object.values(ports)) await waitFor(async () => (await python(`import socket\nsocket.create_connection(("${ip}", ${port}), 1).close()`)).code === 0, `port ${port} answers`, 30_000);
  const capture = network.spawn("h1", "tcpdump", ["-i", network.host("h1").device, "-s", "0", "-U", "--immediate-mode", "-w", file], { stdio: ["ignore", "ignore", "pipe"] });
  if (capture.stderr === null) throw new Error("no pipe");
  await once(capture.stderr, "data");
  for (let i = 0; i < requests; i++) {
    await python(`import urllib.request\nurllib.request.urlopen("http://${ip}:${ports.http}/package.json", timeout=10).read()`);
    await network.exec("h1", "openssl", ["s_client", "-connect", `${ip}:${ports.tls}`, "-servername", "shop.lab", "-alpn", "h2"], { mayFail: true, input: "" });
    await python(`import smtplib\nsmtplib.SMTP("${ip}", ${ports.smtp}, timeout=10).quit()`);
    await python(`import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.settimeout(5)\ns.sendto(b"\\x12\\x34\\x01\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x04shop\\x03lab\\x00\\x00\\x01\\x00\\x01", ("${ip}", 53))\ns.recv(512)`);
  }
  const labels = async (snapLength: number): Promise<Record<string, number>> => {
    const { flows, broken } = await flowsOf(network.ovs.capsule.path(file), { snapLength });
    expect(broken).toBeUndefined();
    const counts: Record<string, number> = {};
    for (const { app } of flows.filter(({ app: one }): boolean => one !== undefined) as (OfflineFlow & { app: NonNullable<OfflineFlow["app"]> })[]) {
      const text = `${app.label}: ${app.evidence}${app.detail === "" ? "" : ` ${app.detail}`}`;
      counts[text] = (counts[text] ?? 0) + 1;
    }
    return Object.fromEntries(Object.entries(counts).filter(([text]) => !text.startsWith("unknown"))); // ICMP and the like
  };
  await waitFor(async () => ((await labels(65_535))["dns: dns message shop.lab"] ?? 0) === requests, "all is in the capture", 30_000);
  capture.kill();
  expect(await labels(65_535)).toEqual({ [`http: http request ${ip}:${ports.http}`]: requests, "https: tls server name shop.lab": requests, "smtp: smtp banner": requests, "dns: dns message shop.lab": requests });
  expect(await labels(512)).toEqual(await labels(65_535));
  const short = await labels(128);
  // The hello's extensions lie behind its cipher suites, and the host of a request behind its first line.
  expect(short["tls: tls hello"]).toBe(requests);
  expect([short["smtp: smtp banner"], short["dns: dns message shop.lab"]]).toEqual([requests, requests]);
  expect(Object.entries(short).filter(([text]) => text.startsWith("http: http request")).reduce((sum, [, count]) => sum + count, 0)).toBe(requests);
}, 120_000);
