/** Output: JSON as the API has it, or tables for people. */
import Table from "cli-table3";

export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

export function printTable(head: readonly string[], rows: readonly (readonly (string | number | boolean)[])[]): void {
  const table = new Table({ head: [...head], style: { head: [], border: [] } });
  for (const row of rows) table.push(row.map(String));
  process.stdout.write(`${table.toString()}\n`);
}

export function printLine(text: string): void {
  process.stdout.write(`${text}\n`);
}

export const percent = (ratio: number): string => `${(ratio * 100).toFixed(1)} %`;
export const time = (ms: number): string => new Date(ms).toISOString().slice(11, 23);
