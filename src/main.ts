#!/usr/bin/env node
/** ovs-shadowd: reads its configuration, starts the daemon, and passes signals on. */
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { pino } from "pino";
import { errorText } from "./base/error-text.js";
import { ConfigError, loadPlaced } from "./config/load.js";
import { Daemon } from "./daemon/daemon.js";
import { ModelError } from "./predict/manifest.js";
import { LevelStoreError } from "./shadow/levels/level-store.js";
import { SessionError } from "./shadow/replication/selector.js";

/** V8 lets the heap of a process on a large machine grow to several times what is in use before it collects; this keeps it near that. */
const heapGrowthPercent = 30;

async function main(): Promise<void> {
  setFlagsFromString(`--heap-growing-percent=${heapGrowthPercent}`);
  const { values } = parseArgs({ options: { config: { type: "string" }, help: { type: "boolean", short: "h" } } });
  if (values.help === true || values.config === undefined) {
    process.stdout.write("usage: ovs-shadowd --config FILE\n");
    process.exitCode = values.help === true ? 0 : 2;
    return;
  }
  const file = values.config;
  const { config, where } = loadPlaced(file);
  const log = pino({ level: config.log.level }, pino.destination({ dest: 2, sync: true }));
  const daemon = await Daemon.start(config, log, where);
  const end = (signal: string): void => {
    log.info({ signal }, "ending; the network is left as it is");
    void daemon.stop();
  };
  process.once("SIGINT", () => end("SIGINT"));
  process.once("SIGTERM", () => end("SIGTERM"));
  const reload = async (): Promise<void> => {
    try {
      const { config: next, where: places } = loadPlaced(file);
      await daemon.reconfigure(next, places);
      log.level = next.log.level;
      log.info("configuration read again: log.level and, of shadow, replicate, sessions, profile, critical, criticalFile, level, levels, schedule, timeZone and suspicion are in force, the rest at the next start");
    } catch (err) {
      log.error({ problems: err instanceof ConfigError ? err.problems : [errorText(err)] }, "configuration not taken; the last good one stays in force");
    }
  };
  // One after the other: the last one that was asked for is the one in force.
  let reloading = Promise.resolve();
  process.on("SIGHUP", () => {
    reloading = reloading.then(reload);
  });
}

main().catch((error: unknown) => {
  const isOurs = error instanceof ConfigError || error instanceof ModelError || error instanceof SessionError || error instanceof LevelStoreError;
  process.stderr.write(`${isOurs ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exit(isOurs ? 2 : 1);
});
