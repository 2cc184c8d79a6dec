/** Many calls of one interval: each as often as it asked, by one timer, until it is ended. */
import { everyShared } from "./shared-interval.js";

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

test("each is called once in its interval, at a few moments, by one timer", () => {
  const before = jest.getTimerCount();
  const called = Array.from({ length: 100 }, () => 0);
  const moments = new Set<number>();
  const ends = called.map((_, i) =>
    everyShared(4_000, () => {
      called[i] = (called[i] ?? 0) + 1;
      moments.add(Date.now());
    }),
  );
  expect(jest.getTimerCount() - before).toBe(1);
  jest.advanceTimersByTime(4_000);
  expect(called).toEqual(called.map(() => 1));
  expect(moments.size).toBe(8);
  jest.advanceTimersByTime(8_000);
  expect(called).toEqual(called.map(() => 3));
  for (const end of ends) end();
  expect(jest.getTimerCount()).toBe(before);
});

test("one that ends, also twice or while it is called, leaves the others as they are; what comes later is called again", () => {
  const called: string[] = [];
  const endFirst = everyShared(200, () => {
    called.push("first");
    endFirst();
  });
  const endSecond = everyShared(200, () => called.push("second"));
  jest.advanceTimersByTime(400);
  endFirst();
  expect(called).toEqual(["first", "second", "second"]);
  endSecond();
  jest.advanceTimersByTime(1_000);
  expect(called).toHaveLength(3);
  const end = everyShared(200, () => called.push("third"));
  jest.advanceTimersByTime(200);
  end();
  expect(called.at(-1)).toBe("third");
});
