/** node-openflow: OpenFlow 1.3 and 1.4 with the Nicira extensions that Open vSwitch speaks. */
export { action, instruction, instructionsKey, port, type Action, type Instruction } from "./actions/action.js";
export { defaultOptions, OpenFlowConnection, type ConnectionCounters, type SessionOptions } from "./connection/connection.js";
export { connect, OpenFlowServer, type ConnectOptions, type ListenOptions } from "./connection/endpoint.js";
export { OpenFlowError, type OpenFlowErrorCode, type OpenFlowErrorFacts } from "./errors.js";
export { field, isKnown, match, matchKey, type FieldValue, type KnownField, type Match, type MatchField, type MatchSpec, type UnknownField } from "./fields/match.js";
export { fieldRows, type FieldRow } from "./fields/table.js";
export { errorName } from "./messages/errors.js";
export {
  anyGroup,
  anyPort,
  flag,
  flowMod,
  type FlowFilter,
  type FlowMod,
  type FlowModCommand,
  type FlowRemoved,
  type FlowStats,
  type FlowUpdate,
  type Version,
} from "./messages/flow.js";
export { groupMod, meterFlag, meterMod, type Bucket, type GroupDesc, type GroupMod, type GroupType, type MeterConfig, type MeterMod } from "./messages/group.js";
export { decodeMessage, encodeMessage, packetOut, type Body, type Features, type Message, type ModBody, type PacketIn, type PacketOut } from "./messages/message.js";
export type { PortDesc, PortStats, PortStatus } from "./messages/port.js";
export { WireError } from "./wire/reader.js";
