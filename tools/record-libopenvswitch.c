/* Writes, one a line in hexadecimal, OpenFlow messages that Open vSwitch's own library encodes and that neither ovs-ofctl nor
 * ovs-vswitchd says by itself. `>` goes to the switch, `<` comes from it. Built and run by tools/record-libopenvswitch.mjs. Each
 * message is given to the library's printer as well: one that it cannot decode ends the program with an error.
 *
 * Headers, matches, actions and lengths are the library's in all of them. Of the few whose fixed part it has a struct for but no
 * function (ovs-ofctl and ovs-vswitchd fill that in themselves), the struct is filled in here: see struct_of(). */
#include <config.h>
#include <stdio.h>
#include <string.h>
#include "nx-match.h"
#include "openflow/nicira-ext.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-connection.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-group.h"
#include "openvswitch/ofp-ipfix.h"
#include "openvswitch/ofp-match.h"
#include "openvswitch/ofp-meter.h"
#include "openvswitch/ofp-monitor.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-print.h"
#include "openvswitch/ofp-protocol.h"
#include "openvswitch/ofp-table.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/util.h"
#include "util.h"

/* By wire version: how a match is written in it. */
static const enum ofputil_protocol protocols[] = {
    [OFP10_VERSION] = OFPUTIL_P_OF10_NXM, [OFP11_VERSION] = OFPUTIL_P_OF11_STD, [OFP12_VERSION] = OFPUTIL_P_OF12_OXM,
    [OFP13_VERSION] = OFPUTIL_P_OF13_OXM, [OFP14_VERSION] = OFPUTIL_P_OF14_OXM, [OFP15_VERSION] = OFPUTIL_P_OF15_OXM,
};
static struct ofputil_flow_mod flow;
static struct match flow_match;
static struct ofputil_group_mod group;
static struct ofputil_meter_mod meter;

/* Prints 'msg' with transaction id 7; it stays the caller's. */
static void
show(char way, struct ofpbuf *msg)
{
    ofpmsg_update_length(msg);
    ((struct ofp_header *) msg->data)->xid = htonl(7);
    char *text = ofp_to_string(msg->data, msg->size, NULL, NULL, 2);
    if (strstr(text, "***")) {
        ovs_fatal(0, "the library cannot read what it wrote: %s", text);
    }
    free(text);
    printf("%c ", way);
    for (size_t i = 0; i < msg->size; i++) {
        printf("%02x", ((const uint8_t *) msg->data)[i]);
    }
    putchar('\n');
}

static void
say(char way, struct ofpbuf *msg)
{
    show(way, msg);
    ofpbuf_delete(msg);
}

static void
say_all(struct ovs_list *replies)
{
    struct ofpbuf *reply;
    LIST_FOR_EACH_POP (reply, list_node, replies) {
        say('<', reply);
    }
}

/* A message whose body is a struct of the library's headers. */
static struct ofpbuf *
struct_of(enum ofpraw raw, enum ofp_version version, const void *body, size_t size)
{
    struct ofpbuf *msg = ofpraw_alloc(raw, version, size);
    ofpbuf_put(msg, body, size);
    ofpmsg_update_length(msg);
    return msg;
}
#define STRUCT_OF(RAW, VERSION, TYPE, ...) struct_of(RAW, VERSION, &(struct TYPE) { __VA_ARGS__ }, sizeof(struct TYPE))
#define EMPTY(RAW, VERSION) struct_of(RAW, VERSION, "", 0)

static void
parsed(char *error)
{
    if (error) {
        ovs_fatal(0, "%s", error);
    }
}

static void
descriptions(enum ofp_version version)
{
    struct ofpbuf *request = EMPTY(OFPRAW_OFPST_DESC_REQUEST, version);
    show('>', request);
    struct ofpbuf *reply = ofpraw_alloc_stats_reply(request->data, 0);
    struct ofp_desc_stats desc = { .mfr_desc = "Maker", .hw_desc = "Hardware", .sw_desc = "Software", .serial_num = "Number 5", .dp_desc = "Datapath" };
    ofpbuf_put(reply, &desc, sizeof desc);
    say('<', reply);
    ofpbuf_delete(request);
}

static void
roles(enum ofp_version version)
{
    struct ofputil_role_request role = { .role = OFPCR12_ROLE_PRIMARY, .have_generation_id = true, .generation_id = 9 };
    struct ofpbuf *request = STRUCT_OF(OFPRAW_NXT_ROLE_REQUEST, version, nx_role_request, .role = htonl(NX_ROLE_SECONDARY));
    show('>', request);
    say('<', ofputil_encode_role_reply(request->data, &role));
    ofpbuf_delete(request);
    if (version >= OFP12_VERSION) {
        request = STRUCT_OF(OFPRAW_OFPT12_ROLE_REQUEST, version, ofp12_role_request, .role = htonl(OFPCR12_ROLE_EQUAL), .generation_id = htonll(9));
        show('>', request);
        say('<', ofputil_encode_role_reply(request->data, &role));
        ofpbuf_delete(request);
    }
}

static void
flows(enum ofp_version version)
{
    struct ofputil_flow_removed removed = {
        .match = flow_match, .cookie = htonll(0x123), .priority = 9, .reason = OFPRR_HARD_TIMEOUT, .table_id = 3,
        .duration_sec = 4, .duration_nsec = 5, .idle_timeout = 6, .hard_timeout = 7, .packet_count = 8, .byte_count = 900,
    };
    say('<', ofputil_encode_flow_removed(&removed, protocols[version]));
    if (version == OFP10_VERSION) {
        say('>', ofputil_encode_flow_mod(&flow, OFPUTIL_P_OF10_NXM));
        say('<', ofputil_encode_flow_removed(&removed, OFPUTIL_P_OF10_STD));
        return;
    }
    /* The library has these two in every version and encodes them in 1.0 alone. */
    struct ofpbuf *msg = STRUCT_OF(OFPRAW_NXT_FLOW_MOD, version, nx_flow_mod, .cookie = htonll(0x123), .idle_timeout = htons(6), .hard_timeout = htons(7),
                                   .priority = htons(9), .buffer_id = htonl(UINT32_MAX), .out_port = htons(ofp_to_u16(OFPP_NONE)), .flags = htons(OFPFF_SEND_FLOW_REM));
    int match_len = nx_put_match(msg, &flow_match, 0, 0);
    ((struct nx_flow_mod *) msg->msg)->match_len = htons(match_len);
    ofpacts_put_openflow_instructions(flow.ofpacts, flow.ofpacts_len, msg, version); /* not bare actions, from 1.1 on */
    say('>', msg);
    msg = STRUCT_OF(OFPRAW_NXT_FLOW_REMOVED, version, nx_flow_removed, .cookie = htonll(0x123), .priority = htons(9), .reason = OFPRR_DELETE, .table_id = 4,
                    .duration_sec = htonl(4), .duration_nsec = htonl(5), .idle_timeout = htons(6), .packet_count = htonll(8), .byte_count = htonll(900));
    match_len = nx_put_match(msg, &flow_match, 0, 0);
    ((struct nx_flow_removed *) msg->msg)->match_len = htons(match_len);
    say('<', msg);
}

/* Flow and aggregate statistics with OpenFlow 1.0's own match, where ovs-ofctl takes Nicira's. */
static void
flow_statistics(enum ofp_version version)
{
    enum ofputil_protocol protocol = version == OFP10_VERSION ? OFPUTIL_P_OF10_STD : protocols[version];
    struct ofputil_flow_stats_request wanted = { .match = flow_match, .out_port = OFPP_ANY, .out_group = OFPG_ANY, .table_id = 3 };
    struct ofputil_flow_stats stats = {
        .match = flow_match, .cookie = htonll(0x123), .table_id = 3, .priority = 9, .idle_timeout = 6, .hard_timeout = 7, .duration_sec = 4,
        .duration_nsec = 5, .idle_age = -1, .hard_age = -1, .packet_count = 8, .byte_count = 900, .ofpacts = flow.ofpacts, .ofpacts_len = flow.ofpacts_len,
    };
    struct ofpbuf *request = ofputil_encode_flow_stats_request(&wanted, protocol);
    show('>', request);
    struct ovs_list replies;
    ofpmp_init(&replies, request->data);
    ofputil_append_flow_stats_reply(&stats, &replies, NULL);
    say_all(&replies);
    ofpbuf_delete(request);
    wanted.aggregate = true;
    request = ofputil_encode_flow_stats_request(&wanted, protocol);
    show('>', request);
    struct ofputil_aggregate_stats sum = { .packet_count = 8, .byte_count = 900, .flow_count = 1 };
    say('<', ofputil_encode_aggregate_stats_reply(&sum, request->data));
    ofpbuf_delete(request);
}

static void
monitors(enum ofp_version version)
{
    enum ofputil_protocol protocol = protocols[version];
    struct ofputil_flow_monitor_request wanted = {
        .id = 5, .command = OFPFMC_ADD, .flags = OFPFMF_INITIAL | OFPFMF_ADD | OFPFMF_REMOVED | OFPFMF_MODIFY | OFPFMF_INSTRUCTIONS,
        .out_port = OFPP_ANY, .out_group = OFPG_ANY, .table_id = 0xff, .match = flow_match,
    };
    struct ofpbuf *request = ofpbuf_new(0);
    ofputil_append_flow_monitor_request(&wanted, request, protocol);
    say('>', request);
    /* From 1.4 on the library leaves out the match of a request to cancel, without which it does not read it itself. */
    if (version < OFP14_VERSION) {
        say('>', ofputil_encode_flow_monitor_cancel(5, protocol));
    }
    say('<', ofputil_encode_flow_monitor_pause(OFPFME_PAUSED, protocol));
    say('<', ofputil_encode_flow_monitor_pause(OFPFME_RESUMED, protocol));

    struct ofputil_flow_update update = {
        .event = OFPFME_ADDED, .reason = OFPRR_DELETE, .idle_timeout = 6, .hard_timeout = 7, .table_id = 3, .priority = 9,
        .cookie = htonll(0x123), .match = flow_match, .ofpacts = flow.ofpacts, .ofpacts_len = flow.ofpacts_len,
    };
    struct ovs_list replies;
    ofputil_start_flow_update(&replies, protocol);
    ofputil_append_flow_update(&update, &replies, NULL);
    update.event = OFPFME_REMOVED;
    ofputil_append_flow_update(&update, &replies, NULL);
    update = (struct ofputil_flow_update) { .event = OFPFME_ABBREV, .xid = htonl(0x77) };
    ofputil_append_flow_update(&update, &replies, NULL);
    say_all(&replies);
}

static void
asynchronous(enum ofp_version version)
{
    struct ofputil_async_cfg wanted = OFPUTIL_ASYNC_CFG_INIT;
    wanted.primary[OAM_PACKET_IN] = 1u << OFPR_NO_MATCH | 1u << OFPR_ACTION;
    wanted.secondary[OAM_PACKET_IN] = 1u << OFPR_INVALID_TTL;
    wanted.primary[OAM_PORT_STATUS] = wanted.secondary[OAM_PORT_STATUS] = 1u << OFPPR_ADD | 1u << OFPPR_DELETE;
    wanted.primary[OAM_FLOW_REMOVED] = 1u << OFPRR_IDLE_TIMEOUT | 1u << OFPRR_DELETE;
    wanted.primary[OAM_ROLE_STATUS] = 1u << OFPCRR_CONFIG;
    wanted.primary[OAM_TABLE_STATUS] = 1u << OFPTR_VACANCY_DOWN;
    wanted.primary[OAM_REQUESTFORWARD] = 1u << OFPRFR_GROUP_MOD;
    say('>', ofputil_encode_set_async_config(&wanted, (1u << OAM_N_TYPES) - 1, version));
    /* Nicira's second form has the properties of 1.4; the library reads it and has no message of its own that needs it. */
    if (version < OFP14_VERSION) {
        struct ofpbuf *later = ofputil_encode_set_async_config(&wanted, (1u << OAM_N_TYPES) - 1, OFP14_VERSION);
        const struct ofp_header *header = later->data;
        say('>', struct_of(OFPRAW_NXT_SET_ASYNC_CONFIG2, version, header + 1, later->size - sizeof *header));
        ofpbuf_delete(later);
    }
    if (version >= OFP13_VERSION) {
        struct ofpbuf *request = EMPTY(version == OFP13_VERSION ? OFPRAW_OFPT13_GET_ASYNC_REQUEST : OFPRAW_OFPT14_GET_ASYNC_REQUEST, version);
        show('>', request);
        say('<', ofputil_encode_get_async_reply(request->data, &wanted));
        ofpbuf_delete(request);
        say('>', STRUCT_OF(OFPRAW_NXT_SET_ASYNC_CONFIG, version, nx_async_config, .packet_in_mask = { htonl(1), htonl(2) },
                           .port_status_mask = { htonl(3), htonl(4) }, .flow_removed_mask = { htonl(5), htonl(6) }));
    }
}

static void
forwarded_and_tables(enum ofp_version version)
{
    struct ofputil_requestforward forward = { .xid = htonl(0x99), .reason = OFPRFR_GROUP_MOD, .group_mod = &group, .group_existed = -1 };
    say('<', ofputil_encode_requestforward(&forward, protocols[version]));
    if (version >= OFP13_VERSION) {
        forward = (struct ofputil_requestforward) { .xid = htonl(0x99), .reason = OFPRFR_METER_MOD, .meter_mod = &meter };
        say('<', ofputil_encode_requestforward(&forward, protocols[version]));
    }
    if (version >= OFP11_VERSION) {
        struct ofputil_table_mod table = {
            .table_id = 3, .miss = OFPUTIL_TABLE_MISS_CONTINUE, .eviction = OFPUTIL_TABLE_EVICTION_ON, .eviction_flags = UINT32_MAX,
            .vacancy = OFPUTIL_TABLE_VACANCY_ON, .table_vacancy = { .vacancy_down = 20, .vacancy_up = 80 },
        };
        say('>', ofputil_encode_table_mod(&table, protocols[version]));
    }
}

static void
extensions(enum ofp_version version)
{
    const uint8_t with_table_id[8] = { 1 };
    say('>', version == OFP10_VERSION ? ofputil_encode_nx_flow_mod_table_id(true) : struct_of(OFPRAW_NXT_FLOW_MOD_TABLE_ID, version, with_table_id, 8));
    say('>', EMPTY(OFPRAW_NXT_FLOW_AGE, version));
    say('>', STRUCT_OF(OFPRAW_NXT_SET_CONTROLLER_ID, version, nx_controller_id, .controller_id = htons(9)));

    struct ofputil_tlv_table_mod options;
    enum ofputil_protocol usable;
    parsed(parse_ofp_tlv_table_mod_str(&options, NXTTMC_ADD, "{class=0xffff,type=3,len=8}->tun_metadata4,{class=0x102,type=4,len=12}->tun_metadata5", &usable));
    say('>', ofputil_encode_tlv_table_mod(version, &options));
    struct ofputil_tlv_table_reply table = { .max_option_space = 256, .max_fields = 64 };
    ovs_list_init(&table.mappings);
    ovs_list_splice(&table.mappings, ovs_list_front(&options.mappings), &options.mappings);
    struct ofpbuf *request = EMPTY(OFPRAW_NXT_TLV_TABLE_REQUEST, version);
    say('<', ofputil_encode_tlv_table_reply(request->data, &table));
    ofputil_uninit_tlv_table(&table.mappings);
    ofpbuf_delete(request);

    const enum ofpraw kinds[] = { OFPRAW_NXST_IPFIX_BRIDGE_REQUEST, OFPRAW_NXST_IPFIX_FLOW_REQUEST };
    for (int i = 0; i < 2; i++) {
        struct ofputil_ipfix_stats stats = { .collector_set_id = i, .total_flows = 1, .current_flows = 2, .pkts = 3, .ipv4_pkts = 4, .ipv6_pkts = 5, .error_pkts = 6, .tx_pkts = 7 };
        struct ovs_list replies;
        request = EMPTY(kinds[i], version);
        ofpmp_init(&replies, request->data);
        ofputil_append_ipfix_stat(&replies, &stats);
        say_all(&replies);
        ofpbuf_delete(request);
    }
}

int
main(int argc OVS_UNUSED, char *argv[])
{
    enum ofputil_protocol usable;
    set_program_name(argv[0]);
    parsed(parse_ofp_str(&flow, OFPFC_ADD, "cookie=0x123,idle_timeout=6,hard_timeout=7,send_flow_rem,priority=9,in_port=3,tcp,nw_src=10.0.0.0/8,tp_dst=80,"
                         "actions=output:2,resubmit(,5)", NULL, NULL, &usable));
    parsed(parse_ofp_group_mod_str(&group, OFPGC11_ADD, "group_id=5,type=all,bucket=output:2,bucket=output:3", NULL, NULL, &usable));
    parsed(parse_ofp_meter_mod_str(&meter, "meter=3,kbps,band=type=drop,rate=500", OFPMC13_ADD, &usable));
    minimatch_expand(&flow.match, &flow_match);
    for (enum ofp_version version = OFP10_VERSION; version <= OFP15_VERSION; version++) {
        descriptions(version);
        roles(version);
        flows(version);
        flow_statistics(version);
        monitors(version);
        asynchronous(version);
        forwarded_and_tables(version);
        extensions(version);
    }
    /* Fields that no flow of a switch can have; OpenFlow 1.1's match has no place for them. */
    for (enum ofp_version version = OFP10_VERSION; version <= OFP15_VERSION; version++) {
        if (version == OFP11_VERSION) {
            continue;
        }
        struct ofputil_flow_removed removed = { .reason = OFPRR_DELETE, .priority = 1 };
        match_init_catchall(&removed.match);
        match_set_dp_hash_masked(&removed.match, 0x1234, 0xffff);
        match_set_recirc_id(&removed.match, 77);
        say('<', ofputil_encode_flow_removed(&removed, protocols[version]));
    }
    return 0;
}
