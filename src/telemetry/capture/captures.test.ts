import { Captures } from "./captures.js";
import type { TcpdumpOptions } from "./tcpdump.js";

/** Stands for tcpdump: listens, or not, when told to. */
class Fake {
  readonly kernelDropped = 3;
  looks = 0;
  readonly device: string;
  readonly options: TcpdumpOptions;
  private readonly said: (what: string) => void;
  constructor(device: string, options: TcpdumpOptions, said: (what: string) => void) {
    this.device = device;
    this.options = options;
    this.said = said;
  }
  look(): void {
    this.looks++;
  }
  stop(): Promise<void> {
    this.said(`stop ${this.device}`);
    return Promise.resolve();
  }
}

function made() {
  const said: string[] = [];
  const say = (what: string): void => void said.push(what);
  const starting = new Map<string, { readonly listen: () => Fake; readonly fail: (why: string) => void }>();
  const captures = new Captures(
    {
      options: { filter: "tcp" },
      reader: (device) => {
        say(`reader ${device}`);
        return () => {};
      },
      listening: (device) => say(`listening ${device}`),
      ended: (device) => say(`ended ${device}`),
      failed: (device, why) => say(`failed ${device}: ${why}`),
    },
    (device, options) =>
      new Promise((resolve, reject) => {
        starting.set(device, {
          listen: () => {
            const fake = new Fake(device, options, say);
            resolve(fake);
            return fake;
          },
          fail: (why) => reject(new Error(why)),
        });
      }),
  );
  return { captures, said, starting };
}

test("what is wanted is captured, and nothing else", async () => {
  const { captures, said, starting } = made();
  const both = captures.want(["a", "b"]);
  const a = starting.get("a")?.listen();
  starting.get("b")?.listen();
  await both;
  expect(captures.devices).toEqual(["a", "b"]);
  expect(a?.options.filter).toBe("tcp");
  await captures.want(["b"]);
  expect(captures.devices).toEqual(["b"]);
  expect(said).toEqual(["reader a", "reader b", "listening a", "listening b", "stop a", "ended a"]);
  expect(captures.kernelDropped).toBe(6); // those of an ended capture stay counted
  expect(captures.restarts).toBe(0);
});

test("a device that is wanted no more while its capture starts is not captured", async () => {
  const { captures, said, starting } = made();
  const first = captures.want(["a"]);
  const second = captures.want([]);
  starting.get("a")?.listen();
  await Promise.all([first, second]);
  expect(captures.devices).toEqual([]);
  expect(said).toEqual(["reader a", "listening a", "stop a", "ended a"]);
});

test("what could not start, or ended, is told and tried again with the next second", async () => {
  const { captures, said, starting } = made();
  const wanted = captures.want(["a"]);
  starting.get("a")?.fail("no such device");
  await wanted;
  expect(captures.devices).toEqual([]);
  expect(captures.restarts).toBe(0);
  const again = captures.second();
  const fake = starting.get("a")?.listen();
  await expect(again).resolves.toBe(true);
  fake?.options.onEnd?.("the device is gone");
  expect(captures.devices).toEqual([]);
  expect(captures.restarts).toBe(1);
  expect(said).toEqual(["reader a", "ended a", "failed a: no such device", "reader a", "listening a", "ended a", "failed a: the device is gone"]);
  const third = captures.second();
  starting.get("a")?.listen();
  await third;
  const looked = starting.get("a");
  expect(looked).toBeDefined();
  await expect(captures.second()).resolves.toBe(false);
  expect(captures.devices).toEqual(["a"]);
});
