import { once } from "node:events";
import { execFileSync } from "node:child_process";
import { mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { action, connect, flowMod, groupMod, instruction, match, OpenFlowServer, packetOut, versions, type FlowWatch, type OpenFlowConnection, type Version } from "../index.js";
import { MockController, MockSwitch } from "./index.js";

const output = (port: number) => [instruction.apply(action.output(port))];
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function pair(version: Version): Promise<{ readonly mock: MockSwitch; readonly connection: OpenFlowConnection; readonly controller: MockController }> {
  const controller = await MockController.listen();
  closing.push(() => controller[Symbol.asyncDispose]());
  const mock = await MockSwitch.connect({ controller: { host: "127.0.0.1", port: controller.port }, versions: [version] });
  closing.push(() => mock.close());
  return { mock, connection: await controller.connection(), controller };
}

test.each(versions)("wire version %d: flows, packets and refusals go through", async (version) => {
  const { mock, connection, controller } = await pair(version);
  expect(connection.version).toBe(version);
  const fields = match({ inPort: 3, ethDst: "00:00:00:00:00:07" });
  expect(await connection.apply([flowMod({ priority: 7, match: fields, instructions: output(2) }), flowMod({ priority: 8, instructions: output(3) })])).toEqual([]);
  expect((await connection.flowStats()).map(({ priority }) => priority)).toEqual([7, 8]);
  expect(mock.flows.size).toBe(2);
  await connection.apply([flowMod({ command: "deleteStrict", priority: 7, match: fields })]);
  expect(await connection.aggregateStats()).toMatchObject({ flowCount: 1 });
  if (version > 1) {
    await connection.apply([groupMod({ groupId: 5, groupType: "indirect", buckets: [{ weight: 0, watchPort: 0xffffffff, watchGroup: 0xffffffff, actions: [action.output(1)] }] })]);
    expect(await connection.groupDescs()).toMatchObject([{ groupId: 5, groupType: "indirect" }]);
  }
  mock.packetIn({ inPort: 9, data: Uint8Array.of(1, 2, 3) });
  const packet = await controller.packetIn();
  expect([packet.inPort, [...packet.data], packet.match[0]]).toEqual([9, [1, 2, 3], { name: "inPort", value: 9n }]);
  connection.send(packetOut({ inPort: packet.inPort, actions: [action.output(4)], data: packet.data }));
  expect(await mock.next("packetOut")).toMatchObject({ inPort: 9, actions: [{ type: "output", port: 4 }], data: Uint8Array.of(1, 2, 3) });
  mock.intercept = (message) => message.type === "flowMod" && (mock.refuse(message, 5, 1), true);
  expect(await connection.apply([flowMod({})])).toMatchObject([{ code: "switch-rejected", facts: { index: 0 } }]);
});

test("a modification that cannot be encoded: those before it are done, and it is named", async () => {
  const { mock, connection } = await pair(4);
  await expect(connection.apply([flowMod({ priority: 1 }), flowMod({ priority: 70_000 }), flowMod({ priority: 2 })])).rejects.toThrow(/modification 1: 70000 is not/);
  expect([...mock.flows.values()].map(({ priority }) => priority)).toEqual([1]);
});

test("a long multipart request goes out in parts, and each part holds whole items", async () => {
  const { mock, connection } = await pair(4);
  mock.intercept = (message) => {
    if (message.type === "multipartRequest" && message.flags === 0) mock.send(message.xid, { type: "multipartReply", multipartType: "tableFeatures", flags: 0, body: [] });
    return message.type === "multipartRequest";
  };
  const oxmIds = Array.from({ length: 500 }, (_, i) => ({ oxm: 0x80000004 + i * 0x200 }));
  const table = (tableId: number) => ({ tableId, command: 0, features: 0, name: `t${tableId}`, metadataMatch: 0n, metadataWrite: 0n, config: 0, maxEntries: 1, properties: [{ type: "match" as const, oxmIds }] });
  await connection.multipart("tableFeatures", Array.from({ length: 100 }, (_, i) => table(i)));
  const parts = mock.received.filter((message) => message.type === "multipartRequest");
  expect(parts.map(({ flags }) => flags)).toEqual([1, 1, 1, 0]);
  expect(parts.flatMap((part) => (part.multipartType === "tableFeatures" ? part.body.map(({ tableId }) => tableId) : []))).toEqual(Array.from({ length: 100 }, (_, i) => i));
  expect(new Set(parts.map(({ xid }) => xid)).size).toBe(1);
});

test("a request is given up by its signal, and the connection goes on", async () => {
  const { mock, connection } = await pair(4);
  mock.intercept = (message) => message.type === "getConfigRequest";
  const abort = new AbortController();
  const asked = connection.request({ type: "getConfigRequest" }, { signal: abort.signal });
  await mock.next("getConfigRequest");
  abort.abort(new Error("not wanted any more"));
  await expect(asked).rejects.toThrow("not wanted any more");
  await connection.barrier();
});

test("packet-ins above the rate are dropped and counted; an auxiliary connection is told as one", async () => {
  const server = await OpenFlowServer.listen({ remote: "ptcp:0:127.0.0.1", packetInsPerSecond: 10 });
  closing.push(() => server.close());
  const came = once(server, "connection") as Promise<[OpenFlowConnection]>;
  const at = { host: "127.0.0.1", port: server.port ?? 0 };
  const mock = await MockSwitch.connect({ controller: at });
  closing.push(() => mock.close());
  const [connection] = await came;
  let seen = 0;
  connection.on("packetIn", () => seen++);
  for (let i = 0; i < 100; i++) mock.packetIn({ inPort: 1, data: new Uint8Array(60) });
  mock.send(1, { type: "echoRequest", data: Uint8Array.of(1) });
  await mock.next("echoReply");
  expect(seen).toBeGreaterThanOrEqual(10);
  expect(seen + connection.counters.packetInsDropped).toBe(100);
  expect(connection.counters.packetInsDropped).toBeGreaterThan(50);
  const auxiliary = once(server, "auxiliary") as Promise<[OpenFlowConnection]>;
  const second = await MockSwitch.connect({ controller: at, auxiliaryId: 1 });
  closing.push(() => second.close());
  expect((await auxiliary)[0].features.auxiliaryId).toBe(1);
});

test("flows are watched: a snapshot, updates, and a new snapshot when the consumer was too slow", async () => {
  const { mock, connection } = await pair(5);
  const flow = (priority: number) => ({ tableId: 0, priority, match: [], cookie: 0n, instructions: output(1), idleTimeout: 0, hardTimeout: 0 });
  mock.intercept = (message) => {
    if (message.type !== "multipartRequest" || message.multipartType !== "flowMonitor") return false;
    mock.send(message.xid, { type: "multipartReply", multipartType: "flowMonitor", flags: 0, body: [{ event: "initial", reason: 0, ...flow(1) }] });
    return true;
  };
  const abort = new AbortController();
  const watch = connection.watchFlows({ signal: abort.signal, maxQueued: 5 });
  const next = async (): Promise<FlowWatch | undefined> => (await watch.next()).value ?? undefined;
  expect(await next()).toMatchObject({ type: "snapshot", flows: [{ priority: 1 }] });
  const update = (priority: number): void => mock.send(0, { type: "multipartReply", multipartType: "flowMonitor", flags: 0, body: [{ event: "added", reason: 0, ...flow(priority) }] });
  update(2);
  expect(await next()).toMatchObject({ type: "updates", updates: [{ event: "added", priority: 2 }] });
  for (let priority = 10; priority < 20; priority++) update(priority);
  mock.flows.set("x", { ...flow(99), flags: 0, importance: 0, durationSec: 0, durationNsec: 0, packetCount: 0n, byteCount: 0n });
  await connection.barrier(); // all ten have come by then
  expect(await next()).toMatchObject({ type: "snapshot", flows: [{ event: "initial", priority: 99 }] });
  abort.abort();
  expect(await watch.next()).toEqual({ done: true, value: undefined });
});

describe("TLS", () => {
  const openssl = (...args: readonly string[]): void => void execFileSync("openssl", args, { stdio: "ignore" });
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(`${tmpdir()}/pki-`);
    for (const ca of ["ca", "other"]) openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", `${dir}/${ca}.key`, "-out", `${dir}/${ca}.pem`, "-subj", `/CN=${ca}`, "-days", "1");
    for (const [name, ca] of [["controller", "ca"], ["switch", "ca"], ["renewed", "other"], ["stranger", "other"]] as const) {
      openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", `${dir}/${name}.key`, "-out", `${dir}/${name}.csr`, "-subj", `/CN=${name}`);
      openssl("x509", "-req", "-in", `${dir}/${name}.csr`, "-CA", `${dir}/${ca}.pem`, "-CAkey", `${dir}/${ca}.key`, "-CAcreateserial", "-out", `${dir}/${name}.pem`, "-days", "1");
    }
  });
  afterAll(() => rmSync(dir, { recursive: true }));
  const files = (name: string, ca = "ca") => ({ certificate: `${dir}/${name}.pem`, privateKey: `${dir}/${name}.key`, caCertificate: `${dir}/${ca}.pem` });

  test("both sides show certificates; a stranger is refused; renewed files are used without a restart", async () => {
    const server = await OpenFlowServer.listen({ remote: "pssl:0:127.0.0.1", tls: files("controller") });
    closing.push(() => server.close());
    const remote = `ssl:127.0.0.1:${server.port}`;
    // Two controllers' ends: what comes through TLS is the other's own features request, which is no answer.
    const dialled = (name: string, ca?: string): Promise<string> =>
      connect({ remote, tls: files(name, ca), requestTimeoutMs: 300 }).then(
        () => "session",
        (error: unknown) => (error as Error).message,
      );
    expect(await dialled("switch")).toMatch("features answered with featuresRequest");
    const refused = new Promise<string>((resolve) => server.on("rejected", (reason) => (reason.startsWith("TLS") ? resolve(reason) : undefined)));
    expect(await dialled("stranger", "ca")).toMatch(/not-connected/);
    expect(await refused).toMatch(/^TLS: /);
    expect(await dialled("switch", "other")).toMatch(/unable to verify|self.signed|certificate/i);
    for (const part of ["pem", "key"]) renameSync(`${dir}/renewed.${part}`, `${dir}/controller.${part}`);
    renameSync(`${dir}/other.pem`, `${dir}/ca.pem`);
    expect(await dialled("stranger")).toMatch("features answered with featuresRequest");
  });
});
