/**
 * The sessions in force: those of the configuration, with what was added and removed at run time. The latter lies in the state
 * directory, so that a restart keeps it.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { replaceFile } from "../../base/replace-file.js";
import { maxSessions, sessionSchema, type Session } from "../../config/session-schema.js";
import { checkSession, SessionError } from "./selector.js";

const fileSchema = z.strictObject({
  /** Added at run time. */
  added: z.array(sessionSchema).max(maxSessions),
  /** Sessions of the configuration that were removed at run time. */
  removed: z.array(z.string()),
});
interface Edits {
  readonly added: readonly Session[];
  readonly removed: readonly string[];
}

export class SessionStore {
  private readonly file: string;
  private configured: readonly Session[];
  private edits: Edits;

  private constructor(file: string, configured: readonly Session[], edits: Edits) {
    this.file = file;
    this.configured = configured;
    this.edits = edits;
  }

  /** Reads `stateDir`/sessions.json. Throws SessionError when it, or a configured session, can't be taken. */
  static open(stateDir: string, configured: readonly Session[]): SessionStore {
    checkConfigured(configured);
    const file = path.join(stateDir, "sessions.json");
    let edits: Edits = { added: [], removed: [] };
    let text: string | undefined;
    try {
      text = readFileSync(file, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw new SessionError(file, (error as Error).message);
    }
    if (text !== undefined) {
      const parsed = fileSchema.safeParse(jsonOf(text, file));
      if (!parsed.success) throw new SessionError(file, `${parsed.error.issues[0]?.path.join(".")}: ${parsed.error.issues[0]?.message}`);
      edits = parsed.data;
      edits.added.forEach((session) => within(`${file}: ${session.name}: `, () => checkSession(session)));
    }
    return new SessionStore(file, configured, edits);
  }

  /** Takes other sessions of a configuration; what was added and removed at run time stays so. Throws SessionError, and changes nothing then. */
  configure(configured: readonly Session[]): void {
    checkConfigured(configured);
    this.configured = configured;
  }

  get current(): readonly Session[] {
    const hidden = new Set([...this.edits.removed, ...this.edits.added.map(({ name }) => name)]);
    return [...this.configured.filter(({ name }) => !hidden.has(name)), ...this.edits.added];
  }

  isConfigured(name: string): boolean {
    return !this.edits.added.some((session) => session.name === name) && this.configured.some((session) => session.name === name);
  }

  /** Adds a session, or with `replace` puts it in place of the one of its name. Throws SessionError, and changes nothing then. */
  add(session: Session, replace = false): void {
    checkSession(session);
    const exists = this.current.some(({ name }) => name === session.name);
    if (exists && !replace) throw new SessionError("name", `there is a session ${session.name}`);
    if (!exists && this.current.length >= maxSessions) throw new SessionError("name", `there are ${maxSessions} sessions already`);
    this.write({ added: [...this.edits.added.filter(({ name }) => name !== session.name), session], removed: this.edits.removed.filter((name) => name !== session.name) });
  }

  /** Throws SessionError when there is none of that name. */
  remove(name: string): void {
    if (!this.current.some((session) => session.name === name)) throw new SessionError("name", `there is no session ${name}`);
    const removed = this.configured.some((session) => session.name === name) ? [name] : [];
    this.write({ added: this.edits.added.filter((session) => session.name !== name), removed: [...new Set([...this.edits.removed, ...removed])] });
  }

  private write(edits: Edits): void {
    replaceFile(this.file, `${JSON.stringify(edits, undefined, 2)}\n`);
    this.edits = edits;
  }
}

function checkConfigured(configured: readonly Session[]): void {
  configured.forEach((session, i) => within(`shadow.sessions[${i}].`, () => checkSession(session)));
}

function within(place: string, check: () => void): void {
  try {
    check();
  } catch (error) {
    if (error instanceof SessionError) throw new SessionError(`${place}${error.path}`, error.message.slice(error.path.length + 2));
    throw error;
  }
}

function jsonOf(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new SessionError(file, (error as Error).message);
  }
}
