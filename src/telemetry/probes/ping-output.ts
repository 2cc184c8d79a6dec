/** What ping(8) of iputils says with -D and -O, line by line. Pure. */

export type PingLine =
  /** `tMs`: when the answer came, ms since the epoch. */
  | { readonly is: "answer"; readonly seq: number; readonly tMs: number; readonly rttMs: number }
  /** The next probe was sent and this one had no answer yet. */
  | { readonly is: "missing"; readonly seq: number; readonly tMs: number };

const answer = /^\[(\d+\.\d+)\] \d+ bytes from .*icmp_seq=(\d+) .*time=(\d+(?:\.\d+)?) ms$/;
const missing = /^\[(\d+\.\d+)\] no answer yet for icmp_seq=(\d+)$/;

/** undefined: a line that says nothing of one probe; also an answer that came twice, which ping marks. */
export function readPingLine(line: string): PingLine | undefined {
  const answered = answer.exec(line);
  if (answered !== null) return { is: "answer", tMs: Number(answered[1]) * 1_000, seq: Number(answered[2]), rttMs: Number(answered[3]) };
  const missed = missing.exec(line);
  return missed === null ? undefined : { is: "missing", tMs: Number(missed[1]) * 1_000, seq: Number(missed[2]) };
}
