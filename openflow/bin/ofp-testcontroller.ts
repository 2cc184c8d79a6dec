#!/usr/bin/env node
/**
 * ofp-testcontroller ptcp:PORT[:HOST] | punix:PATH: a learning switch for as many switches as come, in any OpenFlow version.
 * Learns which address is behind which port, floods what goes to others, and writes a flow for each pair it knows.
 */
import { action, flowMod, instruction, OpenFlowServer, packetOut, port, type OpenFlowConnection, type PacketInView } from "../index.js";

const idleTimeoutS = 60;
/** Addresses learned per switch; beyond, the oldest is forgotten. */
const maxAddresses = 65_536;
const multicastBit = 1 << 24;

/** Two 24-bit halves of the address in `frame` at `at`, as one number. */
const addressAt = (frame: Uint8Array, at: number): number =>
  (((frame[at] ?? 0) << 16) | ((frame[at + 1] ?? 0) << 8) | (frame[at + 2] ?? 0)) * 0x1000000 + (((frame[at + 3] ?? 0) << 16) | ((frame[at + 4] ?? 0) << 8) | (frame[at + 5] ?? 0));

function learn(connection: OpenFlowConnection): void {
  const ports = new Map<number, number>();
  // From 1.3 on a switch without flows drops; before, it asks.
  if (connection.version >= 4) connection.send(flowMod({ priority: 0, instructions: [instruction.apply(action.toController())] }));
  connection.on("packetIn", (packet: PacketInView) => {
    const { data, inPort, bufferId } = packet;
    if (data.length < 14) return;
    const [target, source] = [addressAt(data, 0), addressAt(data, 6)];
    if (ports.get(source) !== inPort) {
      if (ports.size >= maxAddresses) ports.delete(ports.keys().next().value as number);
      ports.set(source, inPort);
    }
    const isMulticast = (Math.floor(target / 0x10000) & multicastBit) !== 0;
    const out = isMulticast ? undefined : ports.get(target);
    const actions = [action.output(out ?? port.flood)];
    if (out !== undefined) {
      const match = [{ name: "inPort", value: BigInt(inPort) }, { name: "ethDst", value: BigInt(target) }, { name: "ethSrc", value: BigInt(source) }] as const;
      connection.send(flowMod({ priority: 1, idleTimeout: idleTimeoutS, match, instructions: [instruction.apply(...actions)] }));
    }
    connection.send(packetOut({ bufferId, inPort, actions, data: bufferId === 0xffffffff ? data : new Uint8Array(0) }));
  });
}

const remote = process.argv[2];
if (remote === undefined) {
  process.stderr.write("usage: ofp-testcontroller ptcp:PORT[:HOST] | punix:PATH\n");
  process.exit(2);
}
const server = await OpenFlowServer.listen({ remote });
server.on("connection", learn);
server.on("rejected", (reason) => process.stderr.write(`rejected: ${reason}\n`));
process.stdout.write(`listening on ${remote}${server.port === undefined ? "" : ` (port ${server.port})`}\n`);
