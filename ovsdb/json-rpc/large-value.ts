/**
 * One large JSON value, made of its bytes as they come, so that no turn of the event loop parses all of it: what is complete of a
 * container that has grown beyond a batch is parsed and put into it, and only the rest is kept as bytes.
 */
import { parseJson } from "./json.js";

const [quote, backslash, comma, openBrace, closeBrace, openBracket, closeBracket] = [0x22, 0x5c, 0x2c, 0x7b, 0x7d, 0x5b, 0x5d];
/** Bytes that are parsed at once. */
const batchBytes = 64 << 10;
/** Containers deeper than this are parsed as wholes. */
const maxOpen = 8;

type Container = unknown[] | Record<string, unknown>;

/** As JSON.parse has it: a later member of the same name wins, and none is taken for the prototype. */
function put(target: Container, key: string, value: unknown): void {
  if (Array.isArray(target)) target.push(value);
  else if (key === "__proto__") Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
  else target[key] = value;
}

export class LargeValue {
  private readonly open: Container[] = [];
  private root: Container | undefined;
  /** Bytes from `base` on that are not parsed yet; `base` and all other places count from the value's first byte. */
  private chunks: Uint8Array[] = [];
  private base = 0;
  private length = 0;
  private depth = 0;
  private inString = false;
  private escaped = false;
  /** By depth: where the container begins, and the member of it that is being read. */
  private readonly containerAt = new Array<number>(maxOpen + 2).fill(0);
  private readonly memberAt = new Array<number>(maxOpen + 2).fill(0);
  /** Where the members of the innermost open container begin that are not parsed yet. */
  private batchAt = 0;
  /** What stands before that place. */
  private before: "opening" | "comma" | "container" = "opening";

  /** Takes the next bytes; returns the index behind the value's end, or -1 when it goes on. Throws SyntaxError. */
  feed(chunk: Uint8Array): number {
    const from = this.length;
    this.chunks.push(chunk);
    this.length += chunk.length;
    let { depth, inString, escaped } = this;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i];
      if (inString) {
        if (escaped) escaped = false;
        else if (byte === backslash) escaped = true;
        else if (byte === quote) inString = false;
      } else if (byte === quote) inString = true;
      else if (byte === comma) {
        if (depth > maxOpen) continue;
        this.memberAt[depth] = from + i + 1;
        if (depth === this.open.length && this.before === "container") this.passComma(from + i);
      } else if (byte === openBrace || byte === openBracket) {
        depth++;
        if (depth > maxOpen) continue;
        this.containerAt[depth] = from + i;
        this.memberAt[depth] = from + i + 1;
      } else if (byte === closeBrace || byte === closeBracket) {
        if (depth === this.open.length && depth > 0) this.close(from + i, byte);
        depth--;
        if (depth > 0) continue;
        if (this.open.length === 0 && this.root === undefined) this.root = parseJson(this.text(0, from + i + 1)) as Container;
        return i + 1;
      }
    }
    this.depth = depth;
    this.inString = inString;
    this.escaped = escaped;
    if (this.length - this.batchAt >= batchBytes) this.parseAhead();
    return -1;
  }

  /** Once feed() has found the end. */
  get value(): unknown {
    return this.root;
  }

  private text(start: number, end: number): string {
    if (this.chunks.length > 1) this.chunks = [Buffer.concat(this.chunks)];
    const [bytes] = this.chunks;
    return bytes === undefined ? "" : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8", start - this.base, end - this.base);
  }

  /** Drops the bytes that are parsed. */
  private drop(): void {
    const all = this.chunks.length === 1 ? this.chunks[0] : Buffer.concat(this.chunks);
    this.chunks = all === undefined ? [] : [all.subarray(this.batchAt - this.base)];
    this.base = this.batchAt;
  }

  /** Puts whole members into the innermost open container. */
  private add(text: string): void {
    const target = this.open.at(-1) as Container;
    const isList = Array.isArray(target);
    const parsed = parseJson(isList ? `[${text}]` : `{${text}}`) as Container;
    if (Array.isArray(parsed)) for (const item of parsed) put(target, "", item);
    else for (const key of Object.keys(parsed)) put(target, key, parsed[key]);
  }

  /** Parses what is complete, and opens the containers that are not. */
  private parseAhead(): void {
    for (;;) {
      const level = this.open.length;
      const at = this.memberAt[level] ?? 0;
      if (level > 0 && at > this.batchAt) {
        const text = this.text(this.batchAt, at - 1);
        if (text.trim() === "") throw new SyntaxError("a comma without a member before it");
        this.add(text);
        this.batchAt = at;
        this.before = "comma";
      }
      if (level >= Math.min(this.depth, maxOpen)) break;
      this.openNext(level);
    }
    this.drop();
  }

  /** Opens the container that the member being read of the innermost open one is. */
  private openNext(level: number): void {
    if (level > 0 && this.before === "container") throw new SyntaxError("two members without a comma between them");
    const start = this.containerAt[level + 1] ?? 0;
    const label = level === 0 ? "" : this.text(this.batchAt, start).trim();
    const parent = this.open.at(-1);
    const child: Container = this.text(start, start + 1) === "[" ? [] : {};
    if (parent === undefined) this.root = child;
    else if (Array.isArray(parent)) {
      if (label !== "") throw new SyntaxError(`unexpected ${label.slice(0, 40)}`);
      parent.push(child);
    } else {
      if (!label.endsWith(":")) throw new SyntaxError("a member without a name");
      const key: unknown = JSON.parse(label.slice(0, -1));
      if (typeof key !== "string") throw new SyntaxError("a name that is no string");
      put(parent, key, child);
    }
    this.open.push(child);
    this.batchAt = start + 1;
    this.before = "opening";
  }

  private passComma(at: number): void {
    if (this.text(this.batchAt, at).trim() !== "") throw new SyntaxError("two members without a comma between them");
    this.batchAt = at + 1;
    this.before = "comma";
  }

  private close(at: number, byte: number): void {
    const closed = this.open.at(-1);
    if (Array.isArray(closed) !== (byte === closeBracket)) throw new SyntaxError("a container closed as another");
    const text = this.text(this.batchAt, at);
    if (text.trim() === "") {
      if (this.before === "comma") throw new SyntaxError("a comma without a member behind it");
    } else if (this.before === "container") throw new SyntaxError("two members without a comma between them");
    else this.add(text);
    this.open.pop();
    this.batchAt = at + 1;
    this.before = "container";
  }
}
