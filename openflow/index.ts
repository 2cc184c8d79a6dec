/** node-openflow: OpenFlow 1.0 to 1.5 with the Nicira and ONF extensions that Open vSwitch speaks. */
export { action, port, type Action, type CloneAction, type CtAction } from "./actions/action.js";
export type { LearnSpec } from "./actions/learn.js";
export type { ControllerOptions, EncapProperty, NatRange } from "./actions/nicira.js";
export { instruction, instructionsKey, type Instruction } from "./actions/instruction.js";
export { OpenFlowConnection, type FlowWatch, type RoleName } from "./connection/connection.js";
export type { BundleOptions } from "./connection/bundle.js";
export { defaultOptions, type ConnectionCounters, type ConnectionEvents, type SessionOptions } from "./connection/session-types.js";
export { connect, OpenFlowServer, type ConnectOptions, type ListenOptions } from "./connection/endpoint.js";
export type { TlsFiles } from "./connection/tls.js";
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
  type AggregateStats,
  type FlowStats,
} from "./messages/flow.js";
export type { FlowUpdate } from "./messages/flow-monitor.js";
export { groupMod, type Bucket, type GroupDesc, type GroupMod, type GroupStats, type GroupType } from "./messages/group.js";
export { allMeters, meterFlag, meterMod, type MeterBand, type MeterConfig, type MeterMod, type MeterStats } from "./messages/meter.js";
export { allForwards, asyncProperties, type AsyncMasks, type AsyncProperty } from "./messages/async.js";
export type { BitRange, FieldRef } from "./fields/reference.js";
export type { KnownExperimenter, PacketIn2 } from "./messages/experimenter.js";
export { decodeMessage, encodeMessage, messageTypes, type Body, type Message, type ModBody, type RequestForward, type RoleStatus } from "./messages/message.js";
export { multipartTypes, type MultipartReply, type MultipartRequest, type MultipartType } from "./messages/multipart.js";
export { packetOut, type PacketIn, type PacketOut } from "./messages/packet.js";
export type { PacketInView } from "./messages/packet-in-view.js";
export { portMod, type PortDesc, type PortEthernet, type PortMod, type PortStats, type PortStatus } from "./messages/port.js";
export type { QueueConfig, QueueDesc, QueueStats } from "./messages/queue.js";
export type { Features, SwitchDesc } from "./messages/switch.js";
export type { TableDesc, TableMod, TableStats } from "./messages/table.js";
export { versions, WireError, type Version } from "./wire/reader.js";
export { parseActions, parseInstructions, printActions, printInstructions, type ActionOptions } from "./text/action-text.js";
export { parseFlow, parseFlowStats, printFlow, type FlowParseOptions, type FlowTextOptions } from "./text/flow-text.js";
export { parseGroup, parseGroupDesc, printGroup, type GroupParseOptions } from "./text/group-text.js";
export { parseMatch, printMatch, type MatchOptions } from "./text/match-text.js";
export { parseMeter, parseMeterConfig, printMeter, type MeterParseOptions } from "./text/meter-text.js";
export { parseGroupStats, parseMeterStats, printGroupStats, printMeterStats } from "./text/stats-text.js";
export { TextError } from "./text/scan.js";
