/** Tuple-space search against looking at every flow. */
import { expect, it } from "@jest/globals";
import { Classifier, compileMatch, matches } from "../../src/network/flow-table/classifier.js";
import { packetOf } from "../../src/network/flow-table.js";
import { Random } from "../support/random.js";
import { packetsFor, randomFlows } from "../support/random-tables.js";

it("finds the flow that a search of all flows finds", () => {
  let found = 0;
  for (let seed = 1; seed <= 60; seed++) {
    const random = new Random(seed);
    const flows = randomFlows(random, 80, { tracking: false, normal: false, version: 5 }).filter(({ instructions }) => !instructions.some((item) => "actions" in item && item.actions.some(({ type }) => type === "conjunction")));
    const first = flows.filter(({ tableId }) => tableId === 0);
    const table = new Classifier();
    for (const flow of first) expect(table.add(flow)).toBe(true);
    for (const fields of packetsFor(random, first, 100)) {
      const packet = packetOf(fields);
      const all = first.filter((flow) => {
        const compiled = compileMatch(flow.match);
        return compiled !== undefined && matches(compiled, packet);
      });
      const best = all.reduce<(typeof all)[number] | undefined>((a, b) => (a === undefined || b.priority > a.priority ? b : a), undefined);
      const ties: Parameters<Classifier["lookup"]>[1] = [];
      const taken = table.lookup(packet, ties)?.flow;
      expect(taken?.priority).toBe(best?.priority);
      expect(ties.length + (taken === undefined ? 0 : 1)).toBe(all.filter(({ priority }) => priority === best?.priority).length);
      if (taken !== undefined) found++;
    }
  }
  expect(found).toBeGreaterThan(3_000);
});
