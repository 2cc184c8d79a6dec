/** node-openflow: OpenFlow 1.3 and 1.4 with the Nicira extensions that Open vSwitch speaks. */
export { action, port, type Action } from "./actions/action.js";
export { instruction, instructionsKey, type Instruction } from "./actions/instruction.js";
export { OpenFlowConnection, type RoleName } from "./connection/connection.js";
export type { BundleOptions } from "./connection/bundle.js";
export { defaultOptions, type ConnectionCounters, type ConnectionEvents, type SessionOptions } from "./connection/session.js";
export { connect, OpenFlowServer, type ConnectOptions, type ListenOptions } from "./connection/endpoint.js";
export { OpenFlowError, type OpenFlowErrorCode, type OpenFlowErrorFacts } from "./errors.js";
export { field, isKnown, match, matchKey, type FieldValue, type KnownField, type Match, type MatchField, type MatchSpec, type UnknownField } from "./fields/match.js";
export { fieldRows, type FieldName, type FieldRow } from "./fields/table.js";
export { errorName } from "./messages/errors.js";
export {
  anyGroup,
  anyPort,
  flag,
  flowMod,
  group,
  type FlowFilter,
  type FlowMod,
  type FlowModCommand,
  type FlowRemoved,
  type FlowStats,
  type Version,
} from "./messages/flow.js";
export type { FlowUpdate } from "./messages/flow-monitor.js";
export { groupMod, type Bucket, type GroupDesc, type GroupMod, type GroupStats, type GroupType } from "./messages/group.js";
export { allMeters, meterFlag, meterMod, type MeterBand, type MeterConfig, type MeterMod } from "./messages/meter.js";
export { allForwards, asyncProperties, type AsyncMasks, type AsyncProperty } from "./messages/async.js";
export { decodeMessage, encodeMessage, packetOut, type Body, type Features, type Message, type ModBody, type PacketIn, type PacketOut, type RequestForward, type RoleStatus } from "./messages/message.js";
export { portMod, type PortDesc, type PortEthernet, type PortMod, type PortStats, type PortStatus } from "./messages/port.js";
export { WireError } from "./wire/reader.js";
export type { SwitchDesc, TableStats } from "./messages/switch.js";
