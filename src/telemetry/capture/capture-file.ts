/** Captures as files: pcap or pcapng, also gzipped. */
import { createReadStream } from "node:fs";
import { createGunzip } from "node:zlib";
import { PcapStream, WireError, type CapturedPacket } from "sflow-collector";

/**
 * The packets of a capture, as many at once as are read at once. Where it can't be read on (it is none, is damaged, or was cut off) it ends, and `broken` is told the file, why
 * and at which byte; what was read before counts. Rejects when the file can't be opened.
 */
export async function* capturedPackets(file: string, broken: (why: string) => void): AsyncGenerator<readonly CapturedPacket[]> {
  const raw = createReadStream(file);
  const bytes = file.endsWith(".gz") ? raw.pipe(createGunzip()) : raw;
  // An error of the file itself does not come through the pipe.
  raw.on("error", (error) => bytes.destroy(error));
  const pcap = new PcapStream();
  let length = 0;
  try {
    for await (const chunk of bytes) {
      length += (chunk as Buffer).length;
      yield pcap.push(chunk as Buffer);
    }
    pcap.check();
    if (pcap.incomplete > 0) broken(`${file}: ends within a record, ${pcap.incomplete} bytes of it are there (at byte ${length})`);
    else if (length === 0) broken(`${file}: is empty`);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (!(error instanceof WireError) && code !== "Z_BUF_ERROR" && code !== "Z_DATA_ERROR") throw error;
    broken(`${file}: ${(error as Error).message}`);
  }
}
