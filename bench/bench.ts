/** What a benchmark is: it runs ours and its peers on the same input in the same run, and reports figures. */

export interface Figure {
  /** What was measured, as "decode a dump of 100,000 flows". */
  readonly what: string;
  /** "ours", or the peer's name and version. */
  readonly who: string;
  readonly value: number;
  readonly unit: string;
  /** What is asked of ours, checked and shown. */
  readonly bar?: { readonly text: string; readonly ok: boolean };
}

export interface Bench {
  readonly name: string;
  /** A line that says what is measured, and how. */
  readonly about: string;
  run(report: (figure: Figure) => void): Promise<void>;
}

export const atLeast = (value: number, bound: number, unit = ""): NonNullable<Figure["bar"]> => ({ text: `at least ${bound.toLocaleString("en")} ${unit}`.trim(), ok: value >= bound });
export const atMost = (value: number, bound: number, unit = ""): NonNullable<Figure["bar"]> => ({ text: `at most ${bound.toLocaleString("en")} ${unit}`.trim(), ok: value <= bound });
