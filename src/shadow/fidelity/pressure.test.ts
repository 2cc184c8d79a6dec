/** What is read of /proc and of the control socket, from folders made here. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { readDpctl, readNetdev, vswitchdPid } from "./pressure.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(`${tmpdir()}/pressure-`);
  mkdirSync(`${folder}/run`);
  writeFileSync(`${folder}/run/ovs-vswitchd.pid`, "7\n");
});
afterEach(() => rmSync(folder, { recursive: true }));

function process(id: number, { comm = "ovs-vswitchd", nsPid = `${id}`, open = [] as string[] } = {}): void {
  mkdirSync(`${folder}/proc/${id}/fd`, { recursive: true });
  writeFileSync(`${folder}/proc/${id}/comm`, `${comm}\n`);
  writeFileSync(`${folder}/proc/${id}/status`, `Name:\t${comm}\nNSpid:\t${nsPid}\n`);
  open.forEach((file, fd) => symlinkSync(file, `${folder}/proc/${id}/fd/${fd}`));
}
const found = (): Promise<number> => vswitchdPid(`${folder}/run`, `${folder}/proc`);

test("the process of the pid file, in our pid namespace or in another", async () => {
  process(7);
  process(8, { nsPid: "8\t9" });
  await expect(found()).resolves.toBe(7);
  rmSync(`${folder}/proc/7`, { recursive: true });
  process(7, { comm: "sleep" });
  process(30, { nsPid: "30\t7" });
  await expect(found()).resolves.toBe(30);
});

test("of two namespaces with the same id in them, the one that holds the pid file open", async () => {
  writeFileSync(`${folder}/other.pid`, "7\n");
  process(30, { nsPid: "30\t7", open: [`${folder}/other.pid`] });
  process(31, { nsPid: "31\t7", open: [`${folder}/gone`, `${folder}/run/ovs-vswitchd.pid`] });
  await expect(found()).resolves.toBe(31);
});

test("none, or several that can't be told apart, is said", async () => {
  mkdirSync(`${folder}/proc`);
  await expect(found()).rejects.toThrow("no process ovs-vswitchd with the id 7");
  process(30, { nsPid: "30\t7" });
  process(31, { nsPid: "31\t7" });
  await expect(found()).rejects.toThrow("no process ovs-vswitchd with the id 7");
});

test("cached flows are of the busiest datapath, misses of all", () => {
  expect(readDpctl("netdev@a:\n lookups: hit:10 missed:3 lost:0\n flows: 12\nnetdev@b:\n lookups: hit:1 missed:4 lost:0\n flows: 2\n")).toEqual({ megaflows: 12, missed: 7 });
});

test("the userspace datapath tells the same in two other answers", () => {
  const threads = "main thread:\n  megaflow hits: 9\n  miss with success upcall: 3\n  miss with failed upcall: 1\npmd thread numa_id 0 core_id 1:\n  miss with success upcall: 4\n";
  expect(readNetdev("netdev@ovs-netdev:\n  flows         : (current 12) (avg 3) (max 40) (limit 10000)\n", threads)).toEqual({ megaflows: 12, missed: 7 });
});
