/** Which version two sides speak. */
import type { Version } from "../wire/reader.js";

/**
 * The highest version both sides have; undefined when there is none. `version`: of the peer's hello; without a bitmap the lower of
 * the two highest versions holds (OpenFlow 1.4 section 6.3.1).
 */
export function commonVersion(ours: readonly Version[], version: number, bitmap: readonly number[]): Version | undefined {
  const highest = Math.max(...ours);
  const common = bitmap.length > 0 ? ours.filter((candidate) => bitmap.includes(candidate)) : ours.filter((candidate) => candidate === Math.min(version, highest));
  return common.length === 0 ? undefined : (Math.max(...common) as Version);
}
