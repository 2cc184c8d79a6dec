/** How ovsdb-client and real ovsdb-servers reach each other: TLS with certificates that are renewed, servers that dial in, bytes that make no sense. */
import { once } from "node:events";
import { copyFileSync, existsSync, readFileSync } from "node:fs";
import net from "node:net";
import { OvsdbClient, OvsdbListener, type OvsdbError } from "ovsdb-client";
import { waitFor } from "../../lab/wait.js";
import { all, Clients, Proxy, run, Server } from "./ovsdb-support.js";

const clients = new Clients();
afterEach(() => clients.close());
const quick = { backoff: { initialMs: 20, maxMs: 100 } };

/** Makes an authority, `NAME-ca.pem`, and what it signs, in a folder. */
class Authority {
  readonly dir: string;
  readonly name: string;
  private constructor(dir: string, name: string) {
    this.dir = dir;
    this.name = name;
  }
  static async make(dir: string, name: string): Promise<Authority> {
    const authority = new Authority(dir, name);
    await run("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", `/CN=${name}`, "-keyout", `${dir}/${name}-ca.key`, "-out", authority.ca]);
    return authority;
  }
  get ca(): string {
    return `${this.dir}/${this.name}-ca.pem`;
  }
  async sign(who: string): Promise<{ privateKey: string; certificate: string; ca: string }> {
    const [key, request, certificate] = [`${this.dir}/${who}.key`, `${this.dir}/${who}.csr`, `${this.dir}/${who}.pem`];
    await run("openssl", ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", `/CN=${who}`, "-keyout", key, "-out", request]);
    await run("openssl", ["x509", "-req", "-in", request, "-CA", this.ca, "-CAkey", `${this.dir}/${this.name}-ca.key`, "-CAcreateserial", "-days", "2", "-out", certificate]);
    return { privateKey: key, certificate, ca: this.ca };
  }
}
const sslArgs = (files: { privateKey: string; certificate: string; ca: string }): string[] => [`--private-key=${files.privateKey}`, `--certificate=${files.certificate}`, `--ca-cert=${files.ca}`];

/** A port that is free now. */
async function freePort(): Promise<number> {
  const probe = net.createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as net.AddressInfo;
  probe.close();
  await once(probe, "close");
  return port;
}

test("ssl: both sides show a certificate; renewed files are used from the next connection on, and a wrong one is told apart", async () => {
  await using server = await Server.start();
  const [ours, theirs] = [await Authority.make(server.dir, "old"), await Authority.make(server.dir, "new")];
  const port = await freePort();
  const remote = `ssl:127.0.0.1:${port}`;
  const put = (from: { privateKey: string; certificate: string; ca: string }): void => {
    copyFileSync(from.privateKey, `${server.dir}/c.key`);
    copyFileSync(from.certificate, `${server.dir}/c.pem`);
    copyFileSync(from.ca, `${server.dir}/c-ca.pem`);
  };
  const tls = { privateKey: `${server.dir}/c.key`, certificate: `${server.dir}/c.pem`, ca: `${server.dir}/c-ca.pem` };
  put(await ours.sign("client1"));
  server.args = [...sslArgs(await ours.sign("server1")), `--remote=pssl:${port}:127.0.0.1`];
  await server.kill();
  await server.up();
  const client = await clients.connect(remote, { tls });
  const replica = await client.replica("Kinds", all);
  await server.transact([{ op: "insert", table: "Item", row: { name: "over tls" } }]);
  await waitFor(() => replica.table("Item").size === 1, "the row");

  // The server comes back with certificates of another authority: ours are not good any more.
  server.args = [...sslArgs(await theirs.sign("server2")), `--remote=pssl:${port}:127.0.0.1`];
  const reasons: OvsdbError[] = [];
  client.on("retrying", (reason) => reasons.push(reason as OvsdbError));
  await server.kill();
  await server.up();
  await waitFor(() => reasons.some(({ kind }) => kind === "tls"), "the certificate is refused");
  expect([client.state, replica.state]).toEqual(["connecting", "stale"]);
  put(await theirs.sign("client2"));
  await waitFor(() => replica.state === "synced" && client.state === "connected", "the renewed files are used");

  // A certificate the server does not accept; files that are not there.
  const stranger = { ...(await ours.sign("stranger")), ca: theirs.ca };
  for (const files of [stranger, { ...stranger, ca: `${server.dir}/nowhere` }]) {
    const abort = new AbortController();
    let tries = 0;
    const connecting = OvsdbClient.connect({ remote, tls: files, ...quick, signal: abort.signal, random: () => (tries++, 0.5) });
    await waitFor(() => tries > 1, "it is tried again and again");
    abort.abort();
    await expect(connecting).rejects.toMatchObject({ kind: "transport", cause: expect.objectContaining({ kind: "tls" }) as object });
  }
});

test("ssl: without a file of the authority it is taken over at the first contact, and nobody else is trusted from then on", async () => {
  await using server = await Server.start();
  const [authority, other] = [await Authority.make(server.dir, "real"), await Authority.make(server.dir, "other")];
  const port = await freePort();
  const remote = `ssl:127.0.0.1:${port}`;
  const serve = async (files: { privateKey: string; certificate: string; ca: string }, ...more: string[]): Promise<void> => {
    server.args = [...sslArgs(files), ...more, `--remote=pssl:${port}:127.0.0.1`];
    await server.kill();
    await server.up();
  };
  const tls = { ...(await authority.sign("client1")), ca: `${server.dir}/taken.pem`, bootstrapCa: true };
  const own = await authority.sign("server1");
  await serve(own, `--peer-ca-cert=${authority.ca}`);
  expect(existsSync(tls.ca)).toBe(false);
  const client = await clients.connect(remote, { tls });
  expect(await client.listDbs()).toContain("Kinds");
  const text = (file: string): string => readFileSync(file, "utf8").replaceAll(/\s/g, "");
  expect(text(tls.ca)).toBe(text(authority.ca));

  const reasons: OvsdbError[] = [];
  client.on("retrying", (reason) => reasons.push(reason as OvsdbError));
  await serve({ ...(await other.sign("server2")), ca: authority.ca }, `--peer-ca-cert=${other.ca}`);
  await waitFor(() => reasons.some(({ kind }) => kind === "tls"), "another authority's server is refused");
  expect(text(tls.ca)).toBe(text(authority.ca));
});

test("punix: and ptcp: the server dials in, and again after it was away; pssl: with certificates of both", async () => {
  await using server = await Server.start();
  const authority = await Authority.make(server.dir, "one");
  const own = await authority.sign("listener");
  server.args = sslArgs(await authority.sign("server"));
  await server.kill();
  await server.up();
  const [tcpPort, sslPort] = [await freePort(), await freePort()];
  for (const [remote, target, options] of [
    [`punix:${server.dir}/in`, `unix:${server.dir}/in`, {}],
    [`ptcp:${tcpPort}:127.0.0.1`, `tcp:127.0.0.1:${tcpPort}`, {}],
    [`pssl:${sslPort}:127.0.0.1`, `ssl:127.0.0.1:${sslPort}`, { tls: own }],
  ] as const) {
    const connecting = clients.connect(remote, options);
    await server.ctl("ovsdb-server/add-remote", target);
    const client = await connecting;
    const replica = await client.replica("Kinds", all);
    await server.kill();
    await waitFor(() => replica.state === "stale", "the server is away");
    server.args = [...server.args.filter((arg) => !arg.startsWith("--remote")), `--remote=${target}`];
    await server.up();
    await waitFor(() => replica.state === "synced", `the server is back at ${remote}`);
    await client.close();
  }
});

test("a listener has a client for each server, and keeps it when the same server dials again", async () => {
  await using one = await Server.start();
  await using two = await Server.start();
  await using three = await Server.start();
  const listener = await OvsdbListener.listen({ remote: "ptcp:0:127.0.0.1", maxServers: 2, ...quick });
  const seen: OvsdbClient[] = [];
  listener.on("client", (client) => seen.push(clients.add(client)));
  const target = `tcp:127.0.0.1:${listener.port}`;
  await one.ctl("ovsdb-server/add-remote", target);
  await two.ctl("ovsdb-server/add-remote", target);
  await waitFor(() => seen.length === 2, "two servers");
  expect(new Set(await Promise.all(seen.map((client) => client.serverId()))).size).toBe(2);
  const [first] = seen;
  const replica = await first?.replica("Kinds", all);
  await (await first?.serverId() === (await (await clients.connect(one.remote)).serverId()) ? one : two).ctl("ovsdb-server/reconnect");
  await waitFor(() => first?.counters.connects === 2 && replica?.state === "synced", "the same client goes on");
  expect(seen).toHaveLength(2);
  listener.close();
  await expect(OvsdbListener.listen({ remote: "tcp:127.0.0.1:1" })).rejects.toMatchObject({ kind: "transport" });
  await expect(OvsdbListener.listen({ remote: `punix:${three.dir}/no/such/folder` })).rejects.toMatchObject({ kind: "transport" });
});

test("bytes that make no sense, and a message beyond the bound, end the connection with a typed error, are counted, and the next one works", async () => {
  await using server = await Server.start();
  await using proxy = await Proxy.start(server);
  const client = await clients.connect(proxy.remote);
  const replica = await client.replica("Kinds", all);
  const garbage = ["}", "[1,2", '{"id":1}x', '{"a":tru}', `{"\xff":1}}`, '{"method":"update3","params":["replica-0","x",{"Item":{"u":7}}],"id":null}', '{"method":"update3","params":["replica-0"],"id":null}'];
  let faults = 0;
  for (const text of garbage) {
    const isCut = text === "[1,2"; // an unfinished message: the next bytes make it nonsense
    const gone = once(client, "disconnected") as Promise<[OvsdbError]>;
    proxy.inject(isCut ? `${text}}` : text);
    expect((await gone)[0].kind).toBe("protocol");
    await waitFor(() => replica.state === "synced" && client.state === "connected", `in sync after ${text}`);
    faults++;
  }
  expect(client.counters.protocolErrors).toBe(faults);
  proxy.inject('{"id":9999,"result":{},"error":null}{"method":"nobody knows","params":[],"id":null}{"method":"echo","id":7}[]'); // of no meaning: passed over
  expect(await client.listDbs()).toContain("Kinds");

  const big = { op: "insert", table: "Item", row: { name: "big", map: ["map", [["k", "x".repeat(100_000)]]] } };
  await server.transact([big]);
  await waitFor(() => replica.table("Item").size === 1, "a large row");
  const reasons: OvsdbError[] = [];
  const small = await clients.connect(server.remote, { maxMessageBytes: 50_000 });
  small.on("disconnected", (reason) => reasons.push(reason as OvsdbError));
  void small.replica("Kinds", all).catch(() => undefined);
  await waitFor(() => reasons.length > 0, "the bound is held");
  expect(reasons[0]).toMatchObject({ kind: "protocol", message: expect.stringContaining("longer than 50000 bytes") as string });

  // And what the server does with ours.
  const socket = net.connect(server.socket);
  const answers: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => answers.push(chunk)).on("error", () => undefined);
  socket.write("{]");
  await once(socket, "close");
  expect(await client.listDbs()).toContain("Kinds");
  expect(Buffer.concat(answers).toString()).not.toContain("result");
});
