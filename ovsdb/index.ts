/** ovsdb-client: RFC 7047 and the extensions of Open vSwitch's ovsdb-server, with live replicas. */
export { OvsdbClient, type ClientCounters, type ClientState, type ConnectOptions } from "./client.js";
export { applyAndWait, waitForConfig, type Applied, type ApplyOptions } from "./configuration.js";
export { OvsdbError, type OvsdbErrorFacts, type OvsdbErrorKind } from "./errors.js";
export { Replica, type ReplicaState, type Row, type RowChange, type TableRequest } from "./replica.js";
export { parseJson, stringifyJson } from "./json-rpc/json.js";
export { NamedUuid, type Atom, type Value, type ValueIn } from "./schema/datum.js";
export { parseSchema, type AtomicType, type BaseType, type ColumnSchema, type DatabaseSchema, type TableSchema } from "./schema/schema.js";
export { Transaction, type Committed, type Condition, type Mutation, type Operation, type OperationResult, type RowIn, type Where } from "./transaction.js";
