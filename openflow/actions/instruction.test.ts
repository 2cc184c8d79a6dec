/** Lists of instructions that were read before are not read again, and never mistaken for one another. */
import { Reader, Writer, type Version } from "../wire/reader.js";
import { action } from "./action.js";
import { instruction, readInstructions, writeInstruction, type Instruction } from "./instruction.js";

function written(version: Version, list: readonly Instruction[]): Uint8Array {
  const out = new Writer(version);
  for (const one of list) writeInstruction(out, one);
  return out.done();
}
const lists = Array.from({ length: 2_000 }, (_, n): readonly Instruction[] => [instruction.apply(action.output(n), ...(n % 3 === 0 ? [action.group(n)] : [])), ...(n % 2 === 0 ? [instruction.gotoTable(n % 200)] : [])]);

test("far more lists than are kept, again and again, in any order and version", () => {
  for (const round of [0, 1, 2]) {
    for (let i = 0; i < lists.length; i++) {
      const list = lists[(i * (round + 1)) % lists.length] ?? [];
      for (const version of [4, 5] as const) expect(readInstructions(new Reader(written(version, list), version))).toEqual(list);
    }
  }
});

test("what was read is a copy: it does not change with the bytes it came in", () => {
  const bytes = written(4, lists[1] ?? []);
  const first = readInstructions(new Reader(bytes, 4));
  bytes[bytes.length - 9] = 7;
  bytes[bytes.length - 5] = 9;
  expect(first).toEqual(lists[1]);
  expect(readInstructions(new Reader(written(4, lists[1] ?? []), 4))).toEqual(lists[1]);
});

test("the bytes behind a list that was read before are not passed over", () => {
  const list = lists[1] ?? [];
  readInstructions(new Reader(written(4, list), 4));
  const longer = Uint8Array.from([...written(4, list), 0, 1, 0]);
  expect(() => readInstructions(new Reader(longer, 4))).toThrow("2 bytes needed, 1 left");
});
