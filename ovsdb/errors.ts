/** The one error class of this library. */

export type OvsdbErrorKind =
  /** No connection, or it ended before the answer; nothing was changed by this call. */
  | "transport"
  /** A certificate was not accepted, by us or by the other side, or cannot be read. */
  | "tls"
  /** What came is not what RFC 7047 says; the connection is given up. */
  | "protocol"
  /** A table, column or value does not fit the database's schema; found before sending. */
  | "schema"
  | "constraint"
  | "referential"
  /** A `wait` of the transaction, or no answer in time; for a transaction: it was not done. */
  | "timed-out"
  | "aborted"
  | "cancelled"
  /** A transaction's `assert` of a lock that is not held. */
  | "not-owner"
  /** The server does not lead the cluster, or has lost its majority. */
  | "not-leader"
  /** The server is behind what this client has seen of the cluster. */
  | "stale"
  /** What was read to make a transaction has changed meanwhile, each time it was tried. */
  | "conflict"
  /** The connection ended, or the server fell silent, with the transaction in flight: done or not, read to know. */
  | "outcome-unknown"
  /** Anything else the server refused. */
  | "server";

export interface OvsdbErrorFacts {
  /** The server's words: RFC 7047 section 3.1, <error>. */
  readonly error?: string;
  readonly details?: string;
  readonly syntax?: string;
  /** Which operation of the transaction failed; its length when the commit itself failed. */
  readonly opIndex?: number;
}

/** A fault of a connection, a request or a transaction. Branch on `kind`; the message is for people. */
export class OvsdbError extends Error {
  override readonly name = "OvsdbError";
  readonly kind: OvsdbErrorKind;
  readonly facts: OvsdbErrorFacts;

  constructor(kind: OvsdbErrorKind, message: string, facts: OvsdbErrorFacts = {}, cause?: unknown) {
    super(`[${kind}] ${message}`, { cause });
    this.kind = kind;
    this.facts = facts;
  }

  get error(): string | undefined {
    return this.facts.error;
  }
  get details(): string | undefined {
    return this.facts.details;
  }
  get opIndex(): number | undefined {
    return this.facts.opIndex;
  }
}

const kinds: Readonly<Record<string, OvsdbErrorKind>> = {
  "constraint violation": "constraint",
  "referential integrity violation": "referential",
  "timed out": "timed-out",
  aborted: "aborted",
  canceled: "cancelled",
  "not owner": "not-owner",
};

/** The error a server's <error> object (or string) stands for. */
export function serverError(value: unknown, opIndex?: number): OvsdbError {
  const at = opIndex === undefined ? {} : { opIndex };
  if (typeof value === "string") return new OvsdbError(kinds[value] ?? "server", value, { error: value, ...at });
  const fields = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  const part = (key: "error" | "details" | "syntax"): Partial<OvsdbErrorFacts> => {
    const found = fields[key];
    return typeof found === "string" ? { [key]: found } : {};
  };
  const facts: OvsdbErrorFacts = { ...part("error"), ...part("details"), ...part("syntax"), ...at };
  const error = facts.error ?? "unknown error";
  return new OvsdbError(kinds[error] ?? "server", facts.details === undefined ? error : `${error}: ${facts.details}`, facts);
}
