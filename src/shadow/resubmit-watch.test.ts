import { ResubmitWatch } from "./resubmit-watch.js";

test("only what is new counts, a restarted daemon starts anew, a failure is told and forgotten", async () => {
  const values: (number | Error)[] = [5, 5, 9, 0, 3, new Error("no socket"), 7, 7];
  const exceeded: number[] = [];
  const watch = new ResubmitWatch({
    read: () => {
      const value = values.shift();
      return value instanceof Error ? Promise.reject(value) : Promise.resolve(value ?? 0);
    },
    exceeded: (packets) => exceeded.push(packets),
  });
  const failures: (string | undefined)[] = [];
  while (values.length > 0) {
    await watch.look();
    failures.push(watch.failure);
  }
  expect(exceeded).toEqual([4, 3]);
  expect(failures.filter(Boolean)).toEqual(["no socket"]);
});
