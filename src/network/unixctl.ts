/** One question to ovs-vswitchd's control socket, as ovs-appctl(8) asks it: JSON-RPC, one line of text as the answer. */
import net from "node:net";
import { readFile } from "node:fs/promises";

/** ovs-vswitchd's control socket in a run directory, by its pid file. Rejects when there is none. */
export async function vswitchdSocket(runDir: string): Promise<string> {
  const pid = (await readFile(`${runDir}/ovs-vswitchd.pid`, "utf8")).trim();
  return `${runDir}/ovs-vswitchd.${pid}.ctl`;
}

const maxAnswer = 1 << 20;

/** Runs `method`; rejects with the daemon's words, or when it does not answer in time. */
export function unixctl(socket: string, method: string, params: readonly string[], timeoutMs = 2_000): Promise<string> {
  return new Promise((resolve, reject) => {
    const connection = net.connect({ path: socket });
    let text = "";
    const fail = (error: Error): void => {
      connection.destroy();
      reject(error);
    };
    connection.setTimeout(timeoutMs, () => fail(new Error(`${method}: no answer within ${timeoutMs} ms`)));
    connection.on("error", fail);
    connection.on("close", () => fail(new Error(`${method}: the connection was closed`)));
    connection.on("connect", () => connection.write(JSON.stringify({ method, params, id: 0 })));
    connection.on("data", (chunk: Buffer) => {
      text += chunk.toString("utf8");
      if (text.length > maxAnswer) return fail(new Error(`${method}: the answer is too long`));
      let reply: { readonly result?: unknown; readonly error?: unknown };
      try {
        reply = JSON.parse(text) as typeof reply;
      } catch {
        return; // more is coming
      }
      if (typeof reply.result !== "string") return fail(new Error(`${method}: ${String(reply.error)}`));
      resolve(reply.result);
      connection.destroy();
    });
  });
}
