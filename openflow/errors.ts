/** A fault of one OpenFlow connection, or an error the switch answered. */
export type OpenFlowErrorCode = "not-connected" | "timeout" | "switch-rejected" | "version-mismatch" | "unsupported" | "overloaded";

export interface OpenFlowErrorFacts {
  readonly xid?: number;
  /** ofp_error_type and code, for "switch-rejected". */
  readonly errorType?: number;
  readonly errorCode?: number;
  /** Whose error it is, for an experimenter's. */
  readonly experimenter?: number;
  /** Which of the modifications given was refused. */
  readonly index?: number;
}

/** Branch on `code`; the message is for people; `facts` go to the log as fields. */
export class OpenFlowError extends Error {
  override readonly name = "OpenFlowError";
  readonly code: OpenFlowErrorCode;
  readonly facts: OpenFlowErrorFacts;

  constructor(code: OpenFlowErrorCode, message: string, facts: OpenFlowErrorFacts = {}, cause?: unknown) {
    super(`[${code}] ${message}`, { cause });
    this.code = code;
    this.facts = facts;
  }
}
