/**
 * The network namespaces of shadow nodes, made, found again and taken away with ip(8), ethtool(8) and nsenter(1). Needs root.
 *
 * Ours are devices whose alias says so and names our database's row, and the namespaces of the same names; nothing else is touched.
 */
import { execFile, spawn } from "node:child_process";
import { mkdirSync, readdirSync } from "node:fs";
import { promisify } from "node:util";
import type { PortRef } from "../../network/model.js";
import { portKey } from "../../network/model.js";
import * as names from "../names.js";
import type { ShadowNode } from "./node.js";

const run = promisify(execFile);
const folder = "/run/netns";
/** The node's own end. */
const device = "eth0";
const aliasPrefix = "ovs-shadow:node";

/** Where a command runs in a node: `nsenter`'s arguments before the command's own. */
export const inNode = (name: string): readonly string[] => [`--net=${folder}/${name}`, "--"];

export interface FoundNode {
  readonly name: string;
  /** "bridge:ofport" of the live port. */
  readonly at: string;
}

/** Whom a node sends to, directly: nothing is asked and nothing is answered in the shadow. */
export type Peer = Pick<ShadowNode, "mac" | "address">;

export class NodeNamespaces {
  /** uuid of the database's one Open_vSwitch row: whose nodes they are. */
  private readonly database: string;

  constructor(database: string) {
    this.database = database;
  }

  nameOf(at: PortRef): string {
    return names.node(this.database, at.bridge, at.ofport);
  }

  /** Our nodes that are there with device and namespace, from whatever run of the daemon. */
  async list(): Promise<FoundNode[]> {
    const devices = await this.devices();
    const namespaces = new Set(namespacesNow());
    return devices.filter(({ name }) => namespaces.has(name));
  }

  /** Makes a node with its addresses, or gives the one that is there these. Rejects when its name belongs to somebody else. */
  async make({ name, at, mac, address }: ShadowNode): Promise<void> {
    mkdirSync(folder, { recursive: true });
    const isThere = (await this.list()).some((found) => found.name === name);
    if (!isThere) {
      await this.remove(name);
      await this.mustBeFree(name);
      await ip("netns", "add", name);
      // Neither end has an address of its own or speaks by itself. The alias follows at once: without it the device is nobody's.
      await batch([], [`link add name ${name} type veth peer name ${device} netns ${name}`, `link set dev ${name} alias "${aliasPrefix} ${this.database} ${portKey(at)}"`, `link set dev ${name} addrgenmode none`, `link set dev ${name} up`]);
    }
    await batch(["-n", name], [
      `link set dev ${device} addrgenmode none`,
      `link set dev ${device} address ${mac}`,
      `addr flush dev ${device}`,
      `addr add ${address}/32 dev ${device} noprefixroute`,
      `link set dev ${device} up`,
    ]);
    // The userspace datapath forwards half-made checksums, and segments of any size, as they are.
    await run("nsenter", [...inNode(name), "ethtool", "-K", device, "tx", "off", "tso", "off", "gso", "off", "gro", "off"]);
  }

  /** The node reaches these, and nobody else. `before`: whom it reached until now, undefined: not known. Those in both are not interrupted. */
  async setPeers(name: string, peers: readonly Peer[], before: readonly Peer[] | undefined): Promise<void> {
    const gone = before?.filter(({ address }) => !peers.some((peer) => peer.address === address));
    const away = gone?.flatMap(({ address }) => [`route del ${address}/32 dev ${device}`, `neigh del ${address} dev ${device}`]) ?? [`route flush dev ${device}`, `neigh flush nud permanent dev ${device}`];
    const commands = peers.flatMap(({ mac, address }) => [`neigh replace ${address} lladdr ${mac} dev ${device} nud permanent`, `route replace ${address}/32 dev ${device}`]);
    await batch(["-n", name], [...away, ...commands]);
  }

  /** Takes a node of ours away, whatever of it is there. What runs in it goes on without a device until it ends. */
  async remove(name: string): Promise<void> {
    const isOurs = (await this.devices()).some((found) => found.name === name);
    if (isOurs) await ip("link", "del", "dev", name);
    if (namespacesNow().includes(name) && (isOurs || (await isEmpty(name)))) await ip("netns", "del", name);
  }

  /** Takes all of ours away. Resolves with how many there were. */
  async removeAll(): Promise<number> {
    const found = await this.devices();
    for (const { name } of found) await this.remove(name);
    return found.length;
  }

  private async devices(): Promise<FoundNode[]> {
    const { stdout } = await run("ip", ["-json", "link", "show", "type", "veth"], { maxBuffer: 64 << 20 });
    const links = JSON.parse(stdout === "" ? "[]" : stdout) as { readonly ifname: string; readonly ifalias?: string }[];
    return links.flatMap(({ ifname, ifalias = "" }) => {
      const [prefix, database, ...at] = ifalias.split(" ");
      return prefix === aliasPrefix && database === this.database ? [{ name: ifname, at: at.join(" ") }] : [];
    });
  }

  private async mustBeFree(name: string): Promise<void> {
    if (namespacesNow().includes(name)) throw new Error(`the network namespace ${name} is there and is not ours`);
    const there = await run("ip", ["link", "show", "dev", name]).then(() => true, () => false);
    if (there) throw new Error(`the device ${name} is there and is not ours`);
  }
}

function namespacesNow(): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** A namespace of one of our names that has no device but lo: one that was begun and not finished. */
async function isEmpty(name: string): Promise<boolean> {
  const { stdout } = await run("ip", ["-n", name, "-json", "link", "show"]).catch(() => ({ stdout: "[{},{}]" }));
  return (JSON.parse(stdout === "" ? "[]" : stdout) as unknown[]).length <= 1;
}

const ip = async (...args: readonly string[]): Promise<void> => void (await run("ip", [...args]));

/** Commands of ip(8), one a line, in one process, with these arguments before; all are tried up to the first that fails. */
async function batch(args: readonly string[], commands: readonly string[]): Promise<void> {
  const child = spawn("ip", [...args, "-batch", "-"], { stdio: ["pipe", "ignore", "pipe"] });
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()));
  child.stdin.on("error", () => undefined); // it ended before it read all: the status says why
  child.stdin.end(`${commands.join("\n")}\n`);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  if (code !== 0) throw new Error(`ip ${args.join(" ")}: ${errors.trim()}`);
}
