import { Converger } from "./converger.js";

test("triggers while a pass runs make one further pass", async () => {
  let passes = 0;
  let release = (): void => {};
  const converger = new Converger({
    pass: () => {
      passes++;
      return new Promise<void>((resolve) => (release = resolve));
    },
    failed: () => {},
  });
  converger.trigger();
  await Promise.resolve();
  await Promise.resolve();
  expect(passes).toBe(1);
  converger.trigger();
  converger.trigger();
  release();
  await new Promise((resolve) => setImmediate(resolve));
  expect(passes).toBe(2);
  release();
  await converger.stop();
  expect(passes).toBe(2);
});

test("a failed pass is reported and repeated; settle waits for a success", async () => {
  let passes = 0;
  const errors: unknown[] = [];
  const converger = new Converger({
    pass: () => (++passes < 3 ? Promise.reject(new Error(`no ${passes}`)) : Promise.resolve()),
    failed: (error) => errors.push(error),
    retryMs: 1,
  });
  await converger.settle();
  expect(passes).toBe(3);
  expect(errors.map(String)).toEqual(["Error: no 1", "Error: no 2"]);
  await converger.stop();
});
