/** How long a link lives without being heard: three and a half seconds and three rounds that both switches have answered. */
import { HeardLinks } from "./heard-links.js";

const a = { bridge: "s1", ofport: 1 };
const b = { bridge: "s2", ofport: 2 };
const ends = { isUp: () => true, isAudible: () => true };

function heard(): HeardLinks {
  const links = new HeardLinks();
  links.hear(a, b, 0);
  links.hear(b, a, 0);
  return links;
}
const rounds = (links: HeardLinks, count: number, ...bridges: string[]): void => {
  for (let i = 0; i < count; i++) for (const bridge of bridges) links.answered(bridge);
};

test("a link that is not heard any more goes, when both switches had their rounds", () => {
  const links = heard();
  rounds(links, 4, "s1", "s2");
  expect(links.links(ends, 3_400)).toEqual([{ a, b, up: true }]);
  expect(links.links(ends, 3_600)).toEqual([]);
});

test("a switch that answers nothing keeps its links, and so does a controller that was kept from running", () => {
  const links = heard();
  rounds(links, 9, "s1");
  expect(links.links(ends, 60_000)).toHaveLength(1);
  rounds(links, 2, "s2");
  expect(links.links(ends, 60_000)).toHaveLength(1);
  rounds(links, 1, "s2");
  expect(links.links(ends, 60_000)).toEqual([]);
});

test("what is heard again, or begins anew, has its rounds before it", () => {
  const links = heard();
  rounds(links, 2, "s1", "s2");
  links.hear(a, b, 2_000);
  links.renew("s2", 2_000);
  rounds(links, 2, "s1", "s2");
  expect(links.links(ends, 9_000)).toHaveLength(1);
  rounds(links, 1, "s1", "s2");
  expect(links.links(ends, 9_000)).toEqual([]);
});

test("a link whose port is down stays known, as down; one at a bridge that can't be reached stays as it is", () => {
  const links = heard();
  rounds(links, 9, "s1", "s2");
  expect(links.links({ isUp: ({ bridge }) => bridge !== "s1", isAudible: () => true }, 60_000)).toEqual([{ a, b, up: false }]);
  expect(links.links({ isUp: () => true, isAudible: (bridge) => bridge !== "s2" }, 60_000)).toHaveLength(1);
});

test("both bridges of a link that was not heard lately are in doubt, unless it is down or nobody could tell", () => {
  const links = heard();
  links.hear({ bridge: "s3", ofport: 1 }, { bridge: "s1", ofport: 3 }, 4_000);
  expect(links.doubtful(ends, 4_000, 4_500)).toEqual(new Set());
  expect(links.doubtful(ends, 5_000, 4_500)).toEqual(new Set(["s1", "s2"]));
  expect(links.doubtful(ends, 9_000, 4_500)).toEqual(new Set(["s1", "s2", "s3"]));
  expect(links.doubtful({ isUp: ({ bridge }) => bridge !== "s2", isAudible: () => true }, 5_000, 4_500)).toEqual(new Set());
  expect(links.doubtful({ isUp: () => true, isAudible: (bridge) => bridge !== "s2" }, 5_000, 4_500)).toEqual(new Set());
});
