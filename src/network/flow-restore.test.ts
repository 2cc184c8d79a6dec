import { jest } from "@jest/globals";
import { FlowRestore } from "./flow-restore.js";

function database(): { readonly restore: FlowRestore; readonly set: (value: string | undefined) => void; readonly gaveUp: jest.Mock<() => void> } {
  let config = new Map<string, string>();
  const gaveUp = jest.fn<() => void>();
  const restore = new FlowRestore({ tables: { table: () => new Map([["root", { _uuid: "root", other_config: config }]]) }, gaveUp });
  const set = (value: string | undefined): void => {
    config = new Map(value === undefined ? [] : [["flow-restore-wait", value]]);
    restore.changed();
  };
  return { restore, set, gaveUp };
}

const isDone = async (promise: Promise<void>): Promise<boolean> => {
  let done = false;
  void promise.then(() => (done = true));
  await Promise.resolve();
  await Promise.resolve();
  return done;
};

test("writing goes on at once while nothing is to be restored, and else when the wait is cleared", async () => {
  const { restore, set } = database();
  expect(await isDone(restore.done())).toBe(true);
  set("true");
  const [first, second] = [restore.done(), restore.done()];
  expect([await isDone(first), await isDone(second)]).toEqual([false, false]);
  set(undefined);
  expect([await isDone(first), await isDone(second)]).toEqual([true, true]);
  set("false");
  expect(await isDone(restore.done())).toBe(true);
});

test("a wait that is never cleared ends after two minutes, and by stop", async () => {
  jest.useFakeTimers();
  try {
    const { restore, set, gaveUp } = database();
    set("true");
    const waited = restore.done();
    jest.advanceTimersByTime(119_000);
    expect(await isDone(waited)).toBe(false);
    jest.advanceTimersByTime(1_000);
    expect(await isDone(waited)).toBe(true);
    expect(gaveUp).toHaveBeenCalledTimes(1);
    const again = restore.done();
    restore.stop();
    expect(await isDone(again)).toBe(true);
    expect(gaveUp).toHaveBeenCalledTimes(1);
  } finally {
    jest.useRealTimers();
  }
});
