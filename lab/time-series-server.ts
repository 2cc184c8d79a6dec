/** InfluxDB or VictoriaMetrics for tests and benches: its own files, on free ports of the loopback, ended with its owner. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { waitFor } from "./wait.js";

export type ServerKind = "influxdb" | "victoriametrics";

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

export class TimeSeriesServer implements AsyncDisposable {
  readonly url: string;
  readonly dir: string;
  private readonly kind: ServerKind;
  private readonly port: number;
  private child: ChildProcess | undefined;

  private constructor(kind: ServerKind, dir: string, port: number) {
    this.kind = kind;
    this.dir = dir;
    this.port = port;
    this.url = `http://127.0.0.1:${port}`;
  }

  static async start(kind: ServerKind): Promise<TimeSeriesServer> {
    const dir = mkdtempSync(`${tmpdir()}/${kind}-`);
    const [port, rpc] = [await freePort(), await freePort()];
    const server = new TimeSeriesServer(kind, dir, port);
    for (const part of ["meta", "data", "wal"]) mkdirSync(`${dir}/${part}`);
    const config = [
      "reporting-disabled = true",
      `bind-address = "127.0.0.1:${rpc}"`,
      "[meta]",
      `dir = "${dir}/meta"`,
      "[data]",
      `dir = "${dir}/data"`,
      `wal-dir = "${dir}/wal"`,
      "[http]",
      `bind-address = "127.0.0.1:${port}"`,
      "log-enabled = false",
      "[monitor]",
      "store-enabled = false",
    ];
    writeFileSync(`${dir}/influxdb.conf`, config.join("\n"));
    await server.restart();
    return server;
  }

  /** Starts it on the files it had; resolves when it answers. */
  async restart(): Promise<void> {
    const { dir, port, kind } = this;
    const command = kind === "influxdb" ? ["influxd", "-config", `${dir}/influxdb.conf`] : ["victoria-metrics", `-storageDataPath=${dir}/data`, `-httpListenAddr=127.0.0.1:${port}`, "-retentionPeriod=1y", "-loggerLevel=ERROR"];
    // It ends when we do, however we do.
    this.child = spawn("setpriv", ["--pdeathsig", "KILL", "--", ...command], { stdio: "ignore" });
    const path = kind === "influxdb" ? "/ping" : "/health";
    await waitFor(async () => (await fetch(this.url + path).catch(() => undefined))?.ok === true, `${kind} answers`, 40_000);
  }

  /** Ends it: as a crash would, or in order by SIGTERM. */
  async kill(signal: "KILL" | "TERM" = "KILL"): Promise<void> {
    const { child } = this;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill(`SIG${signal}`);
    await exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    rmSync(this.dir, { recursive: true, force: true });
  }
}
