/** Errors a switch answers with. */
import { Reader, type Version } from "../wire/reader.js";

/** Names of OpenFlow errors by type, then code: OpenFlow 1.5.1 section 7.5.4, of which 1.1 and later have the first so many. */
const names: Readonly<Record<number, readonly [type: string, ...codes: string[]]>> = {
  0: ["OFPET_HELLO_FAILED", "OFPHFC_INCOMPATIBLE", "OFPHFC_EPERM"],
  1: [
    "OFPET_BAD_REQUEST", "OFPBRC_BAD_VERSION", "OFPBRC_BAD_TYPE", "OFPBRC_BAD_MULTIPART", "OFPBRC_BAD_EXPERIMENTER", "OFPBRC_BAD_EXP_TYPE", "OFPBRC_EPERM",
    "OFPBRC_BAD_LEN", "OFPBRC_BUFFER_EMPTY", "OFPBRC_BUFFER_UNKNOWN", "OFPBRC_BAD_TABLE_ID", "OFPBRC_IS_SLAVE", "OFPBRC_BAD_PORT", "OFPBRC_BAD_PACKET",
    "OFPBRC_MULTIPART_BUFFER_OVERFLOW", "OFPBRC_MULTIPART_REQUEST_TIMEOUT", "OFPBRC_MULTIPART_REPLY_TIMEOUT",
  ],
  2: [
    "OFPET_BAD_ACTION", "OFPBAC_BAD_TYPE", "OFPBAC_BAD_LEN", "OFPBAC_BAD_EXPERIMENTER", "OFPBAC_BAD_EXP_TYPE", "OFPBAC_BAD_OUT_PORT", "OFPBAC_BAD_ARGUMENT",
    "OFPBAC_EPERM", "OFPBAC_TOO_MANY", "OFPBAC_BAD_QUEUE", "OFPBAC_BAD_OUT_GROUP", "OFPBAC_MATCH_INCONSISTENT", "OFPBAC_UNSUPPORTED_ORDER", "OFPBAC_BAD_TAG",
    "OFPBAC_BAD_SET_TYPE", "OFPBAC_BAD_SET_LEN", "OFPBAC_BAD_SET_ARGUMENT",
  ],
  3: [
    "OFPET_BAD_INSTRUCTION", "OFPBIC_UNKNOWN_INST", "OFPBIC_UNSUP_INST", "OFPBIC_BAD_TABLE_ID", "OFPBIC_UNSUP_METADATA", "OFPBIC_UNSUP_METADATA_MASK",
    "OFPBIC_BAD_EXPERIMENTER", "OFPBIC_BAD_EXP_TYPE", "OFPBIC_BAD_LEN", "OFPBIC_EPERM", "OFPBIC_DUP_INST",
  ],
  4: [
    "OFPET_BAD_MATCH", "OFPBMC_BAD_TYPE", "OFPBMC_BAD_LEN", "OFPBMC_BAD_TAG", "OFPBMC_BAD_DL_ADDR_MASK", "OFPBMC_BAD_NW_ADDR_MASK", "OFPBMC_BAD_WILDCARDS",
    "OFPBMC_BAD_FIELD", "OFPBMC_BAD_VALUE", "OFPBMC_BAD_MASK", "OFPBMC_BAD_PREREQ", "OFPBMC_DUP_FIELD", "OFPBMC_EPERM",
  ],
  5: [
    "OFPET_FLOW_MOD_FAILED", "OFPFMFC_UNKNOWN", "OFPFMFC_TABLE_FULL", "OFPFMFC_BAD_TABLE_ID", "OFPFMFC_OVERLAP", "OFPFMFC_EPERM", "OFPFMFC_BAD_TIMEOUT",
    "OFPFMFC_BAD_COMMAND", "OFPFMFC_BAD_FLAGS", "OFPFMFC_CANT_SYNC", "OFPFMFC_BAD_PRIORITY",
  ],
  6: [
    "OFPET_GROUP_MOD_FAILED", "OFPGMFC_GROUP_EXISTS", "OFPGMFC_INVALID_GROUP", "OFPGMFC_WEIGHT_UNSUPPORTED", "OFPGMFC_OUT_OF_GROUPS", "OFPGMFC_OUT_OF_BUCKETS",
    "OFPGMFC_CHAINING_UNSUPPORTED", "OFPGMFC_WATCH_UNSUPPORTED", "OFPGMFC_LOOP", "OFPGMFC_UNKNOWN_GROUP", "OFPGMFC_CHAINED_GROUP", "OFPGMFC_BAD_TYPE",
    "OFPGMFC_BAD_COMMAND", "OFPGMFC_BAD_BUCKET", "OFPGMFC_BAD_WATCH", "OFPGMFC_EPERM",
  ],
  7: ["OFPET_PORT_MOD_FAILED", "OFPPMFC_BAD_PORT", "OFPPMFC_BAD_HW_ADDR", "OFPPMFC_BAD_CONFIG", "OFPPMFC_BAD_ADVERTISE", "OFPPMFC_EPERM"],
  8: ["OFPET_TABLE_MOD_FAILED", "OFPTMFC_BAD_TABLE", "OFPTMFC_BAD_CONFIG", "OFPTMFC_EPERM"],
  9: ["OFPET_QUEUE_OP_FAILED", "OFPQOFC_BAD_PORT", "OFPQOFC_BAD_QUEUE", "OFPQOFC_EPERM"],
  10: ["OFPET_SWITCH_CONFIG_FAILED", "OFPSCFC_BAD_FLAGS", "OFPSCFC_BAD_LEN", "OFPSCFC_EPERM"],
  11: ["OFPET_ROLE_REQUEST_FAILED", "OFPRRFC_STALE", "OFPRRFC_UNSUP", "OFPRRFC_BAD_ROLE", "OFPRRFC_ID_UNSUP", "OFPRRFC_ID_IN_USE"],
  12: ["OFPET_METER_MOD_FAILED", "OFPMMFC_UNKNOWN", "OFPMMFC_METER_EXISTS", "OFPMMFC_INVALID_METER", "OFPMMFC_UNKNOWN_METER", "OFPMMFC_BAD_COMMAND",
    "OFPMMFC_BAD_FLAGS", "OFPMMFC_BAD_RATE", "OFPMMFC_BAD_BURST", "OFPMMFC_BAD_BAND", "OFPMMFC_BAD_BAND_VALUE", "OFPMMFC_OUT_OF_METERS", "OFPMMFC_OUT_OF_BANDS"],
  13: ["OFPET_TABLE_FEATURES_FAILED", "OFPTFFC_BAD_TABLE", "OFPTFFC_BAD_METADATA", "", "", "", "OFPTFFC_EPERM", "OFPTFFC_BAD_CAPA", "OFPTFFC_BAD_MAX_ENT", "OFPTFFC_BAD_FEATURES", "OFPTFFC_BAD_COMMAND", "OFPTFFC_TOO_MANY"],
  14: [
    "OFPET_BAD_PROPERTY", "OFPBPC_BAD_TYPE", "OFPBPC_BAD_LEN", "OFPBPC_BAD_VALUE", "OFPBPC_TOO_MANY", "OFPBPC_DUP_TYPE", "OFPBPC_BAD_EXPERIMENTER", "OFPBPC_BAD_EXP_TYPE",
    "OFPBPC_BAD_EXP_VALUE", "OFPBPC_EPERM",
  ],
  15: ["OFPET_ASYNC_CONFIG_FAILED", "OFPACFC_INVALID", "OFPACFC_UNSUPPORTED", "OFPACFC_EPERM"],
  16: [
    "OFPET_FLOW_MONITOR_FAILED", "OFPMOFC_UNKNOWN", "OFPMOFC_MONITOR_EXISTS", "OFPMOFC_INVALID_MONITOR", "OFPMOFC_UNKNOWN_MONITOR", "OFPMOFC_BAD_COMMAND", "OFPMOFC_BAD_FLAGS",
    "OFPMOFC_BAD_TABLE_ID", "OFPMOFC_BAD_OUT",
  ],
  17: [
    "OFPET_BUNDLE_FAILED", "OFPBFC_UNKNOWN", "OFPBFC_EPERM", "OFPBFC_BAD_ID", "OFPBFC_BUNDLE_EXIST", "OFPBFC_BUNDLE_CLOSED", "OFPBFC_OUT_OF_BUNDLES",
    "OFPBFC_BAD_TYPE", "OFPBFC_BAD_FLAGS", "OFPBFC_MSG_BAD_LEN", "OFPBFC_MSG_BAD_XID", "OFPBFC_MSG_UNSUP", "OFPBFC_MSG_CONFLICT", "OFPBFC_MSG_TOO_MANY",
    "OFPBFC_MSG_FAILED",
  ],
};

/** OpenFlow 1.0 section 5.4.4: other numbers for flow-mods, ports and queues, and another meaning of some codes. */
const names10: typeof names = {
  ...Object.fromEntries([0, 1, 2].map((type) => [type, names[type] ?? [""]])),
  3: ["OFPET_FLOW_MOD_FAILED", "OFPFMFC_ALL_TABLES_FULL", "OFPFMFC_OVERLAP", "OFPFMFC_EPERM", "OFPFMFC_BAD_EMERG_TIMEOUT", "OFPFMFC_BAD_COMMAND", "OFPFMFC_UNSUPPORTED"],
  4: ["OFPET_PORT_MOD_FAILED", "OFPPMFC_BAD_PORT", "OFPPMFC_BAD_HW_ADDR"],
  5: ["OFPET_QUEUE_OP_FAILED", "OFPQOFC_BAD_PORT", "OFPQOFC_BAD_QUEUE", "OFPQOFC_EPERM"],
};

/** "OFPET_BAD_MATCH OFPBMC_BAD_PREREQ", or numbers where the pair has no name. */
export function errorName(type: number, code: number, version: Version = 5): string {
  const row = (version === 1 ? names10 : names)[type];
  return row === undefined ? `error type ${type} code ${code}` : `${row[0]} ${row[code + 1] || `code ${code}`}`;
}

const experimenterError = 0xffff;
/** Open vSwitch sends Nicira errors under this type, in every version: vendor, type and code follow in the data. */
const vendorError = 0xb0c2;
const onf = 0x4f4e4600;
const onfBundleErrors = 2300;
const bundleFailed = 17;

export interface SwitchError {
  readonly name: string;
  readonly errorType: number;
  readonly errorCode: number;
  readonly experimenter?: number;
}

/** What an error message says, with experimenters' errors and the 1.3 form of bundle errors unwrapped. */
export function switchError(errorType: number, code: number, data: Uint8Array, version: Version = 5): SwitchError {
  const from = new Reader(data, 5);
  if (errorType === experimenterError && from.remaining >= 4) {
    const experimenter = from.u32();
    const isBundle = experimenter === onf && code >= onfBundleErrors;
    const name = isBundle ? errorName(bundleFailed, code - onfBundleErrors) : `experimenter 0x${experimenter.toString(16)} error ${code}`;
    return { name, errorType, errorCode: code, experimenter };
  }
  if (errorType === vendorError && from.remaining >= 8) {
    const experimenter = from.u32();
    const [type, vendorCode] = [from.u16(), from.u16()];
    return { name: `experimenter 0x${experimenter.toString(16)} error type ${type} code ${vendorCode}`, errorType: type, errorCode: vendorCode, experimenter };
  }
  return { name: errorName(errorType, code, version), errorType, errorCode: code };
}
