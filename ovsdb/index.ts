/** ovsdb-client: RFC 7047 and the extensions of Open vSwitch's ovsdb-server, with live replicas. */
export { OvsdbClient, type ClientCounters, type ClientOptions, type ClientState, type ConnectOptions } from "./client.js";
export { applyAndWait, waitForConfig, type Applied, type ApplyOptions } from "./configuration.js";
export { OvsdbError, type OvsdbErrorFacts, type OvsdbErrorKind } from "./errors.js";
export { Replica, type ReplicaState, type Row, type RowChange, type RowRequest, type TableRequest } from "./replica.js";
export { RowIndex } from "./row-index.js";
export { Lock } from "./lock.js";
export { OvsdbListener, type ListenOptions } from "./listener.js";
export type { AnyOf } from "./conditions.js";
export type { Condition, ConditionFunction, Where } from "./schema/condition.js";
export type { ServerDatabase } from "./leader.js";
export type { TlsFiles, TlsOptions } from "./json-rpc/remote.js";
export { retry, type Retried, type RetryOptions } from "./retry.js";
export { deleteOwned, findOwned, upsertOwned, type OwnerMark } from "./owned.js";
export { parseJson, stringifyJson } from "./json-rpc/json.js";
export { NamedUuid, type Atom, type Value, type ValueIn } from "./schema/datum.js";
export { parseSchema, type AtomicType, type BaseType, type ColumnSchema, type DatabaseSchema, type TableSchema } from "./schema/schema.js";
export { Transaction, type CommitOptions, type Committed, type InsertOptions, type Mutation, type Operation, type OperationResult, type RowIn } from "./transaction.js";
