/** Rows of database Open_vSwitch, version 8.3.1. Made by ovsdb-codegen from its schema: not to be edited. */
import type { Database } from "./typed.js";

export type Uuid = string;

export type Open_vSwitchRow = {
  readonly _uuid: Uuid;
  /** refers to Datapath */
  readonly datapaths: ReadonlyMap<string, Uuid>;
  /** refers to Bridge */
  readonly bridges: readonly Uuid[];
  /** refers to Manager */
  readonly manager_options: readonly Uuid[];
  /** refers to SSL */
  readonly ssl: Uuid | undefined;
  readonly other_config: ReadonlyMap<string, string>;
  readonly external_ids: ReadonlyMap<string, string>;
  readonly next_cfg: number | bigint;
  readonly cur_cfg: number | bigint;
  readonly statistics: ReadonlyMap<string, string>;
  readonly ovs_version: string | undefined;
  readonly db_version: string | undefined;
  readonly system_type: string | undefined;
  readonly system_version: string | undefined;
  readonly datapath_types: readonly string[];
  readonly iface_types: readonly string[];
  readonly dpdk_initialized: boolean;
  readonly dpdk_version: string | undefined;
};

export type BridgeRow = {
  readonly _uuid: Uuid;
  /** fixed at insert */
  readonly name: string;
  readonly datapath_type: string;
  readonly datapath_version: string;
  readonly datapath_id: string | undefined;
  readonly stp_enable: boolean;
  readonly rstp_enable: boolean;
  readonly mcast_snooping_enable: boolean;
  /** refers to Port */
  readonly ports: readonly Uuid[];
  /** refers to Mirror */
  readonly mirrors: readonly Uuid[];
  /** refers to NetFlow */
  readonly netflow: Uuid | undefined;
  /** refers to sFlow */
  readonly sflow: Uuid | undefined;
  /** refers to IPFIX */
  readonly ipfix: Uuid | undefined;
  /** refers to Controller */
  readonly controller: readonly Uuid[];
  readonly protocols: readonly ("OpenFlow10" | "OpenFlow11" | "OpenFlow12" | "OpenFlow13" | "OpenFlow14" | "OpenFlow15")[];
  readonly fail_mode: "standalone" | "secure" | undefined;
  readonly status: ReadonlyMap<string, string>;
  readonly rstp_status: ReadonlyMap<string, string>;
  readonly other_config: ReadonlyMap<string, string>;
  readonly external_ids: ReadonlyMap<string, string>;
  /** 0 to 4095; 0 to 4096 elements */
  readonly flood_vlans: readonly number[];
  /** refers to Flow_Table; 0 to 254 */
  readonly flow_tables: ReadonlyMap<number, Uuid>;
  /** refers to AutoAttach */
  readonly auto_attach: Uuid | undefined;
};

export type PortRow = {
  readonly _uuid: Uuid;
  /** fixed at insert */
  readonly name: string;
  /** refers to Interface; 1 to any number elements */
  readonly interfaces: readonly Uuid[];
  /** 0 to 4095; 0 to 4096 elements */
  readonly trunks: readonly number[];
  /** 0 to 4095; 0 to 4096 elements */
  readonly cvlans: readonly number[];
  /** 0 to 4095 */
  readonly tag: number | undefined;
  readonly vlan_mode: "trunk" | "access" | "native-tagged" | "native-untagged" | "dot1q-tunnel" | undefined;
  /** refers to QoS */
  readonly qos: Uuid | undefined;
  readonly mac: string | undefined;
  readonly bond_mode: "balance-tcp" | "balance-slb" | "active-backup" | undefined;
  readonly lacp: "active" | "passive" | "off" | undefined;
  readonly bond_updelay: number | bigint;
  readonly bond_downdelay: number | bigint;
  readonly bond_active_slave: string | undefined;
  readonly bond_fake_iface: boolean;
  readonly fake_bridge: boolean;
  readonly status: ReadonlyMap<string, string>;
  readonly rstp_status: ReadonlyMap<string, string>;
  readonly rstp_statistics: ReadonlyMap<string, number | bigint>;
  readonly statistics: ReadonlyMap<string, number | bigint>;
  readonly protected: boolean;
  readonly other_config: ReadonlyMap<string, string>;
  readonly external_ids: ReadonlyMap<string, string>;
};

export type InterfaceRow = {
  readonly _uuid: Uuid;
  /** fixed at insert */
  readonly name: string;
  readonly type: string;
  readonly options: ReadonlyMap<string, string>;
  /** 0 to  */
  readonly ingress_policing_rate: number | bigint;
  /** 0 to  */
  readonly ingress_policing_burst: number | bigint;
  /** 0 to  */
  readonly ingress_policing_kpkts_rate: number | bigint;
  /** 0 to  */
  readonly ingress_policing_kpkts_burst: number | bigint;
  readonly mac_in_use: string | undefined;
  readonly mac: string | undefined;
  /** 0 to 4294967295 */
  readonly ifindex: number | undefined;
  readonly external_ids: ReadonlyMap<string, string>;
  readonly ofport: number | bigint | undefined;
  /** 1 to 65279 */
  readonly ofport_request: number | undefined;
  readonly bfd: ReadonlyMap<string, string>;
  readonly bfd_status: ReadonlyMap<string, string>;
  readonly cfm_mpid: number | bigint | undefined;
  readonly cfm_remote_mpids: readonly (number | bigint)[];
  readonly cfm_flap_count: number | bigint | undefined;
  readonly cfm_fault: boolean | undefined;
  readonly cfm_fault_status: readonly string[];
  readonly cfm_remote_opstate: "up" | "down" | undefined;
  /** 0 to 100 */
  readonly cfm_health: number | undefined;
  readonly lacp_current: boolean | undefined;
  readonly lldp: ReadonlyMap<string, string>;
  readonly other_config: ReadonlyMap<string, string>;
  readonly statistics: ReadonlyMap<string, number | bigint>;
  readonly status: ReadonlyMap<string, string>;
  readonly admin_state: "up" | "down" | undefined;
  readonly link_state: "up" | "down" | undefined;
  readonly link_resets: number | bigint | undefined;
  readonly link_speed: number | bigint | undefined;
  readonly duplex: "half" | "full" | undefined;
  readonly mtu: number | bigint | undefined;
  /** 1 to  */
  readonly mtu_request: number | bigint | undefined;
  readonly error: string | undefined;
};

export type Flow_TableRow = {
  readonly _uuid: Uuid;
  readonly name: string | undefined;
  /** 0 to  */
  readonly flow_limit: number | bigint | undefined;
  readonly overflow_policy: "refuse" | "evict" | undefined;
  readonly groups: readonly string[];
  /** 0 to 3 elements */
  readonly prefixes: readonly string[];
  readonly external_ids: ReadonlyMap<string, string>;
};

export type QoSRow = {
  readonly _uuid: Uuid;
  readonly type: string;
  /** refers to Queue; 0 to 4294967295 */
  readonly queues: ReadonlyMap<number, Uuid>;
  readonly other_config: ReadonlyMap<string, string>;
  readonly external_ids: ReadonlyMap<string, string>;
};

export type QueueRow = {
  readonly _uuid: Uuid;
  /** 0 to 63 */
  readonly dscp: number | undefined;
  readonly other_config: ReadonlyMap<string, string>;
  readonly external_ids: ReadonlyMap<string, string>;
};

export type MirrorRow = {
  readonly _uuid: Uuid;
  readonly name: string;
  readonly select_all: boolean;
  /** refers to Port */
  readonly select_src_port: readonly Uuid[];
  /** refers to Port */
  readonly select_dst_port: readonly Uuid[];
  /** 0 to 4095; 0 to 4096 elements */
  readonly select_vlan: readonly number[];
  /** refers to Port */
  readonly output_port: Uuid | undefined;
  /** 1 to 4095 */
  readonly output_vlan: number | undefined;
  /** 14 to 65535 */
  readonly snaplen: number | undefined;
  readonly statistics: ReadonlyMap<string, number | bigint>;
  readonly external_ids: ReadonlyMap<string, string>;
};

export type NetFlowRow = {
  readonly _uuid: Uuid;
  /** 1 to any number elements */
  readonly targets: readonly string[];
  /** 0 to 255 */
  readonly engine_type: number | undefined;
  /** 0 to 255 */
  readonly engine_id: number | undefined;
  readonly add_id_to_interface: boolean;
  /** -1 to  */
  readonly active_timeout: number | bigint;
  readonly external_ids: ReadonlyMap<string, string>;
};

export type sFlowRow = {
  readonly _uuid: Uuid;
  /** 1 to any number elements */
  readonly targets: readonly string[];
  readonly sampling: number | bigint | undefined;
  readonly polling: number | bigint | undefined;
  readonly header: number | bigint | undefined;
  readonly agent: string | undefined;
  readonly external_ids: ReadonlyMap<string, string>;
};

export type IPFIXRow = {
  readonly _uuid: Uuid;
  readonly targets: readonly string[];
  /** 1 to 4294967295 */
  readonly sampling: number | undefined;
  /** 0 to 4294967295 */
  readonly obs_domain_id: number | undefined;
  /** 0 to 4294967295 */
  readonly obs_point_id: number | undefined;
  /** 0 to 4200 */
  readonly cache_active_timeout: number | undefined;
  /** 0 to 4294967295 */
  readonly cache_max_flows: number | undefined;
  readonly other_config: ReadonlyMap<string, string>;
  readonly external_ids: ReadonlyMap<string, string>;
};

export type Flow_Sample_Collector_SetRow = {
  readonly _uuid: Uuid;
  /** 0 to 4294967295 */
  readonly id: number;
  /** refers to Bridge */
  readonly bridge: Uuid;
  /** refers to IPFIX */
  readonly ipfix: Uuid | undefined;
  readonly external_ids: ReadonlyMap<string, string>;
};

export type ControllerRow = {
  readonly _uuid: Uuid;
  readonly type: "primary" | "service" | undefined;
  readonly target: string;
  /** 1000 to  */
  readonly max_backoff: number | bigint | undefined;
  readonly inactivity_probe: number | bigint | undefined;
  readonly connection_mode: "in-band" | "out-of-band" | undefined;
  readonly local_ip: string | undefined;
  readonly local_netmask: string | undefined;
  readonly local_gateway: string | undefined;
  readonly enable_async_messages: boolean | undefined;
  /** 1 to 512 */
  readonly controller_queue_size: number | undefined;
  /** 100 to  */
  readonly controller_rate_limit: number | bigint | undefined;
  /** 25 to  */
  readonly controller_burst_limit: number | bigint | undefined;
  readonly other_config: ReadonlyMap<string, string>;
  readonly external_ids: ReadonlyMap<string, string>;
  readonly is_connected: boolean;
  readonly role: "other" | "master" | "slave" | undefined;
  readonly status: ReadonlyMap<string, string>;
};

export type ManagerRow = {
  readonly _uuid: Uuid;
  readonly target: string;
  /** 1000 to  */
  readonly max_backoff: number | bigint | undefined;
  readonly inactivity_probe: number | bigint | undefined;
  readonly connection_mode: "in-band" | "out-of-band" | undefined;
  readonly other_config: ReadonlyMap<string, string>;
  readonly external_ids: ReadonlyMap<string, string>;
  readonly is_connected: boolean;
  readonly status: ReadonlyMap<string, string>;
};

export type DatapathRow = {
  readonly _uuid: Uuid;
  readonly datapath_version: string;
  /** refers to CT_Zone; 0 to 65535 */
  readonly ct_zones: ReadonlyMap<number, Uuid>;
  readonly capabilities: ReadonlyMap<string, string>;
  readonly external_ids: ReadonlyMap<string, string>;
};

export type CT_ZoneRow = {
  readonly _uuid: Uuid;
  /** refers to CT_Timeout_Policy */
  readonly timeout_policy: Uuid | undefined;
  readonly external_ids: ReadonlyMap<string, string>;
};

export type CT_Timeout_PolicyRow = {
  readonly _uuid: Uuid;
  /** 0 to 4294967295 */
  readonly timeouts: ReadonlyMap<"tcp_syn_sent" | "tcp_syn_recv" | "tcp_established" | "tcp_fin_wait" | "tcp_close_wait" | "tcp_last_ack" | "tcp_time_wait" | "tcp_close" | "tcp_syn_sent2" | "tcp_retransmit" | "tcp_unack" | "udp_first" | "udp_single" | "udp_multiple" | "icmp_first" | "icmp_reply", number>;
  readonly external_ids: ReadonlyMap<string, string>;
};

export type SSLRow = {
  readonly _uuid: Uuid;
  readonly private_key: string;
  readonly certificate: string;
  readonly ca_cert: string;
  readonly bootstrap_ca_cert: boolean;
  readonly external_ids: ReadonlyMap<string, string>;
};

export type AutoAttachRow = {
  readonly _uuid: Uuid;
  readonly system_name: string;
  readonly system_description: string;
  /** 0 to 16777215; 0 to 4095 */
  readonly mappings: ReadonlyMap<number, number>;
};

export type OpenVSwitchTables = {
  readonly Open_vSwitch: Open_vSwitchRow;
  readonly Bridge: BridgeRow;
  readonly Port: PortRow;
  readonly Interface: InterfaceRow;
  readonly Flow_Table: Flow_TableRow;
  readonly QoS: QoSRow;
  readonly Queue: QueueRow;
  readonly Mirror: MirrorRow;
  readonly NetFlow: NetFlowRow;
  readonly sFlow: sFlowRow;
  readonly IPFIX: IPFIXRow;
  readonly Flow_Sample_Collector_Set: Flow_Sample_Collector_SetRow;
  readonly Controller: ControllerRow;
  readonly Manager: ManagerRow;
  readonly Datapath: DatapathRow;
  readonly CT_Zone: CT_ZoneRow;
  readonly CT_Timeout_Policy: CT_Timeout_PolicyRow;
  readonly SSL: SSLRow;
  readonly AutoAttach: AutoAttachRow;
};

export const openVSwitch: Database<OpenVSwitchTables> = { name: "Open_vSwitch", version: "8.3.1" };
