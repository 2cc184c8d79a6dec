import { SendQueue, type Sent } from "./queue.js";

test("a batch that was not taken is sent again, before all others, and settled once", async () => {
  jest.useFakeTimers();
  const batches = ["a", "b"];
  const answers: Sent[] = [{ is: "away", why: "no answer" }, { is: "away", why: "no answer" }, { is: "taken", refused: 2 }, { is: "taken", refused: 0 }];
  const sent: string[] = [];
  const settled: [string, number][] = [];
  let retries = 0;
  const queue = new SendQueue<string>({
    take: () => batches.shift(),
    send: (batch) => {
      sent.push(batch);
      return Promise.resolve(answers.shift() ?? { is: "taken", refused: 0 });
    },
    settled: (batch, refused) => settled.push([batch, refused]),
    retried: () => retries++,
  });
  await queue.kick();
  expect([queue.failure, queue.isIdle]).toEqual(["no answer", false]);
  await jest.advanceTimersByTimeAsync(10_000);
  expect([sent, settled, retries, queue.failure]).toEqual([["a", "a", "a"], [["a", 2]], 2, undefined]);
  await queue.kick();
  expect(settled).toEqual([["a", 2], ["b", 0]]);
  queue.close();
  jest.useRealTimers();
});
