#!/usr/bin/env node
/** sflow-json [--pcap FILE | --listen PORT | --hex]: sFlow version 5 to JSON lines, one datagram a line. */
import { once } from "node:events";
import { createSocket } from "node:dgram";
import { createReadStream } from "node:fs";
import { parseArgs } from "node:util";
import { PcapStream } from "../capture/pcap.js";
import { UdpExtractor, type UdpPayload } from "../capture/udp.js";
import { datagramJson, faultJson, hexLineJson } from "../json.js";
import { WireError } from "../wire.js";

const usage = `usage: sflow-json --pcap FILE     datagrams of a capture (pcap or pcapng), "-" is the standard input
       sflow-json --listen PORT   datagrams as they arrive; [--host ADDRESS] to listen on one address
       sflow-json --hex           one datagram a line, in hex, on the standard input
`;
const sflowPort = 6343;
/** A datagram of 64 KiB in hex with a separator at every byte. */
const maxLineLength = 3 * 65_536;
/** Lines not yet taken by whoever reads them; beyond, datagrams are dropped and counted. */
const maxWaitingBytes = 64 << 20;

async function print(line: string): Promise<void> {
  if (!process.stdout.write(`${line}\n`)) await once(process.stdout, "drain");
}

/** Lines of the input, each with whether it was cut because it is too long for any datagram. */
async function* lines(input: AsyncIterable<string>): AsyncGenerator<{ readonly text: string; readonly tooLong: boolean }> {
  let held = "";
  let tooLong = false;
  for await (const chunk of input) {
    const parts = chunk.split("\n");
    for (const [i, part] of parts.entries()) {
      if (i > 0) {
        yield { text: held, tooLong };
        held = "";
        tooLong = false;
      }
      if (held.length + part.length > maxLineLength) tooLong = true;
      else held += part;
    }
  }
  if (held !== "" || tooLong) yield { text: held, tooLong };
}

async function fromHex(): Promise<number> {
  process.stdin.setEncoding("utf8");
  for await (const { text, tooLong } of lines(process.stdin as AsyncIterable<string>)) {
    if (tooLong) await print(faultJson("length", maxLineLength, "a line longer than any datagram"));
    else if (text.trim() !== "") await print(hexLineJson(text));
  }
  return 0;
}

/** What comes to sFlow's port, and what looks like sFlow 5 elsewhere. */
function isSflow({ dstPort, payload }: UdpPayload): boolean {
  if (dstPort === sflowPort) return true;
  const type = payload[7] ?? 0;
  return payload.length >= 28 && payload[3] === 5 && (type === 1 || type === 2) && [0, 1, 2, 4, 5, 6].every((at) => payload[at] === 0);
}

async function fromPcap(file: string): Promise<number> {
  const stream = new PcapStream();
  const udp = new UdpExtractor();
  let notSflow = 0;
  let status = 0;
  try {
    for await (const chunk of (file === "-" ? process.stdin : createReadStream(file)) as AsyncIterable<Buffer>) {
      for (const packet of stream.push(chunk)) {
        const datagram = udp.take(packet);
        if (datagram === undefined) continue;
        if (isSflow(datagram)) await print(datagramJson(datagram.payload, { source: datagram.src, sourcePort: datagram.srcPort, receivedMs: datagram.tMs }));
        else notSflow++;
      }
    }
    stream.check();
    if (stream.incomplete > 0) process.stderr.write(`sflow-json: the capture ends within a record\n`);
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    await print(faultJson(error.code, error.offset, error.message));
    status = 1;
  }
  udp.end();
  const left = Object.entries({ "not sFlow": notSflow, "not UDP": udp.counters.other, "of an unknown link type": udp.counters.unknownLink, "cut off": udp.counters.truncated, "with fragments missing": udp.counters.incomplete });
  const told = left.filter(([, count]) => count > 0).map(([what, count]) => `${count} ${what}`);
  if (told.length > 0) process.stderr.write(`sflow-json: packets left out: ${told.join(", ")}\n`);
  return status;
}

async function listen(port: number, host: string): Promise<number> {
  const socket = createSocket({ type: host.includes(":") ? "udp6" : "udp4", recvBufferSize: 4 << 20 });
  let dropped = 0;
  socket.on("message", (bytes, from) => {
    if (process.stdout.writableLength > maxWaitingBytes) dropped++;
    else process.stdout.write(`${datagramJson(bytes, { source: from.address, sourcePort: from.port, receivedMs: Date.now() })}\n`);
  });
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => socket.close());
  const closed = once(socket, "close");
  socket.bind(port, host, () => process.stderr.write(`sflow-json: listening on ${host} port ${socket.address().port}\n`));
  await closed; // rejects with the socket's error
  if (dropped > 0) process.stderr.write(`sflow-json: ${dropped} datagrams dropped, the reader was too slow\n`);
  return 0;
}

async function main(): Promise<number> {
  let options;
  try {
    options = parseArgs({ options: { pcap: { type: "string" }, listen: { type: "string" }, host: { type: "string" }, hex: { type: "boolean" }, help: { type: "boolean", short: "h" } } }).values;
  } catch (error) {
    process.stderr.write(`sflow-json: ${(error as Error).message}\n${usage}`);
    return 2;
  }
  if (options.help === true) {
    process.stdout.write(usage);
    return 0;
  }
  if ([options.pcap, options.listen, options.hex].filter((one) => one !== undefined).length !== 1) {
    process.stderr.write(usage);
    return 2;
  }
  if (options.hex === true) return fromHex();
  if (options.pcap !== undefined) return fromPcap(options.pcap);
  const port = /^\d{1,5}$/.test(options.listen ?? "") ? Number(options.listen) : NaN;
  if (!(port <= 65_535)) {
    process.stderr.write(`sflow-json: ${options.listen} is not a port\n`);
    return 2;
  }
  return listen(port, options.host ?? "0.0.0.0");
}

process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));
main().then(
  (status) => (process.exitCode = status),
  (error: Error) => {
    process.stderr.write(`sflow-json: ${error.message}\n`);
    process.exitCode = 1;
  },
);
