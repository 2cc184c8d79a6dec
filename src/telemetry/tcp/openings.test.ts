import { Openings, maxOpened } from "./openings.js";
import type { ConnectionSummary } from "./summary.js";

const connection = (port: number, firstMs: number, handshake: ConnectionSummary["handshake"], mss?: number) =>
  ({ name: `10.0.0.1:${port}>10.0.0.2:80`, firstMs, handshake, client: { address: "10.0.0.1", port, mss, appBytes: 100 }, server: { address: "10.0.0.2", port: 80 } }) as ConnectionSummary;

test("an opening is told once, when it is answered, in the order of time; one joined midway is not", () => {
  const openings = new Openings();
  expect(openings.second([connection(2, 1_900, "unanswered"), connection(1, 1_500, "done"), connection(3, 1_200, "done"), connection(4, 1_000, "unseen"), connection(5, 1_700, "unseen", 1_460)], 1_000).connections).toEqual([
    { tMs: 1_200, client: "10.0.0.1", clientPort: 3, server: "10.0.0.2", port: 80 },
    { tMs: 1_500, client: "10.0.0.1", clientPort: 1, server: "10.0.0.2", port: 80 },
    { tMs: 1_700, client: "10.0.0.1", clientPort: 5, server: "10.0.0.2", port: 80 },
  ]);
  expect(openings.second([connection(2, 1_900, "done"), connection(1, 1_500, "done")], 2_000).connections.map(({ clientPort }) => clientPort)).toEqual([2]);
  // The same ports again, opened anew.
  expect(openings.second([connection(1, 3_100, "done")], 3_000).connections.map(({ tMs }) => tMs)).toEqual([3_100]);
  expect(openings.second([connection(1, 3_100, "done"), connection(2, 1_900, "done")], 60_000).connections).toEqual([]);
});

test("a second holds so many openings; more are counted, and a flood's none", () => {
  const openings = new Openings();
  const many = Array.from({ length: maxOpened + 7 }, (_, i) => connection(i, 1_000 + i / 100, "done"));
  const told = openings.second([...many, connection(9_999, 1_000, "unanswered")], 1_000);
  expect([told.connections.length, told.leftOut]).toEqual([maxOpened, 7]);
});
