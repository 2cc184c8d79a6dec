/** Datagrams that the kernel dropped before this process saw them, as its receive buffer was full (Linux). */
import { readFileSync, readlinkSync, readdirSync } from "node:fs";

/** Inodes of the sockets this process has open. */
function ownSockets(): Set<string> {
  const inodes = new Set<string>();
  for (const fd of readdirSync("/proc/self/fd")) {
    try {
      const inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1];
      if (inode !== undefined) inodes.add(inode);
    } catch (error) {
      // A descriptor closed since the folder was read, as the one of the folder itself.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  return inodes;
}

/** The `drops` column of the rows of /proc/net/udp that `isOurs` says are ours by local port and inode. */
export function dropsIn(table: string, isOurs: (port: number, inode: string) => boolean): number {
  let drops = 0;
  for (const line of table.split("\n").slice(1)) {
    const columns = line.trim().split(/\s+/);
    const port = parseInt(columns[1]?.split(":")[1] ?? "", 16);
    if (isOurs(port, columns[9] ?? "")) drops += Number(columns.at(-1) ?? 0);
  }
  return drops;
}

/** Since the socket was opened, of this process's sockets on a local UDP port. undefined where /proc does not tell (not Linux). */
export function kernelDrops(port: number): number | undefined {
  try {
    const own = ownSockets();
    let drops = 0;
    for (const file of ["/proc/self/net/udp", "/proc/self/net/udp6"]) drops += dropsIn(readFileSync(file, "utf8"), (local, inode) => local === port && own.has(inode));
    return drops;
  } catch {
    return undefined; // a system without /proc, or without IPv6: nothing is known, and undefined says so
  }
}
