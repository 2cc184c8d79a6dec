/** sFlow made up for the benchmark, with what must come out of it: datagrams as Open vSwitch sends them, 50 in 7 samples each. */

/** Flows that the samples are of. */
const flowCount = 5_000;
/** Datagrams before they come around again; with their sequence numbers they then are new ones. */
export const templateCount = 700;
const samplingRate = 64;
const headerBytes = 128;
const sampleTotal = 5_000;

export interface Workload {
  readonly templates: readonly Buffer[];
  /** Samples of each template. */
  readonly samples: readonly number[];
  /** Of each flow, by "SRC DST PROTOCOL SPORT DPORT": how often one round of all templates has it. */
  readonly flows: ReadonlyMap<string, number>;
}

const u32 = (...values: number[]): Buffer => {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, i) => bytes.writeUInt32BE(value >>> 0, i * 4));
  return bytes;
};

/** TCP over IPv4, one in five of them tagged. */
function frame(number: number): { readonly bytes: Buffer; readonly key: string } {
  const tag = number % 5 === 0 ? Buffer.from([0x81, 0, 0, 7]) : Buffer.alloc(0);
  const at = 12 + tag.length;
  const bytes = Buffer.alloc(headerBytes);
  tag.copy(bytes, 12);
  bytes.writeUInt16BE(0x0800, at);
  bytes[at + 2] = 0x45;
  bytes.writeUInt16BE(1_000, at + 4);
  bytes[at + 10] = 64;
  bytes[at + 11] = 6;
  const src = [10, 1, number >>> 8, number & 0xff];
  const dst = [10, 2, 0, number % 50];
  bytes.set([...src, ...dst], at + 14);
  bytes.writeUInt16BE(1_024 + number, at + 22);
  bytes.writeUInt16BE(443, at + 24);
  bytes[at + 34] = 0x50;
  return { bytes, key: `${src.join(".")} ${dst.join(".")} 6 ${1_024 + number} 443` };
}

function sample(number: number, header: Buffer): Buffer {
  const extendedSwitch = u32(1_001, 16, 7, 0, 7, 0);
  const sampledHeader = Buffer.concat([u32(1, 16 + header.length, 1, 1_018, 4, header.length), header]);
  const body = Buffer.concat([u32(number + 1, 0x0200_03e8, samplingRate, number * samplingRate, 0, 4, 5, 2), extendedSwitch, sampledHeader]);
  return Buffer.concat([u32(1, body.length), body]);
}

/** 700 datagrams with 5,000 samples, 7 or 8 in each: 80,000 datagrams are 571,428 samples. */
export function makeWorkload(): Workload {
  const templates: Buffer[] = [];
  const samples: number[] = [];
  const flows = new Map<string, number>();
  let number = 0;
  for (let i = 0; i < templateCount; i++) {
    const count = Math.floor(((i + 1) * sampleTotal) / templateCount) - Math.floor((i * sampleTotal) / templateCount);
    const parts: Buffer[] = [];
    for (let j = 0; j < count; j++, number++) {
      // Some flows are larger than others, as flows are.
      const { bytes, key } = frame(Math.floor(flowCount * ((number * 0.618034) % 1) ** 2));
      flows.set(key, (flows.get(key) ?? 0) + 1);
      parts.push(sample(number, bytes));
    }
    samples.push(count);
    templates.push(Buffer.concat([u32(5, 1, 0x0a00_0001, 0, i, 1_000, count), ...parts]));
  }
  return { templates, samples, flows };
}

/** The workload as the generator reads it. */
export const forGenerator = ({ templates }: Workload): Buffer => Buffer.concat(templates.flatMap((bytes) => [u32(bytes.length), bytes]));

/** Pieces of a pcap file (Ethernet) with `rounds` times all templates, sent to UDP port 6343. */
export function* asPcap({ templates }: Workload, rounds: number): Generator<Buffer> {
  yield Buffer.concat([u32(0xa1b2c3d4, 0x0002_0004, 0, 0, 65_535, 1)]);
  for (let round = 0; round < rounds; round++) {
    yield Buffer.concat(
      templates.flatMap((datagram, i) => {
        const bytes = Buffer.from(datagram);
        bytes.writeUInt32BE(round * templateCount + i, 16);
        const length = 42 + bytes.length;
        const head = Buffer.alloc(42);
        head.writeUInt16BE(0x0800, 12);
        head.set([0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1], 14);
        head.writeUInt16BE(length - 14, 16);
        head.writeUInt16BE(50_000, 34);
        head.writeUInt16BE(6_343, 36);
        head.writeUInt16BE(8 + bytes.length, 38);
        return [u32(1_700_000_000 + round, i, length, length), head, bytes];
      }),
    );
  }
}
