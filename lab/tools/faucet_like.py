"""A foreign controller on os-ken, OpenFlow 1.3, as multi-table controllers behave: one that thinks the switches its own.

At connect it deletes every flow, then fills tables 0 (ports), 1 (learning, by packet-in), 2 (forwarding) and 4 (flood); each 2 s it
deletes flows whose cookie is not its own and puts back what it misses. Broadcast is flooded by a group. Ports that come up later than
the connect get no flow in table 0, so what enters there is dropped.
"""
from os_ken.base import app_manager
from os_ken.controller import ofp_event
from os_ken.controller.handler import CONFIG_DISPATCHER, MAIN_DISPATCHER, set_ev_cls
from os_ken.lib import hub
from os_ken.lib.packet import ethernet, packet
from os_ken.ofproto import ofproto_v1_3

COOKIE = 0x5ADC15C0
SWEEP_S = 2


class FaucetLike(app_manager.OSKenApp):
    OFP_VERSIONS = [ofproto_v1_3.OFP_VERSION]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.switches = {}
        self.ports = {}
        self.learned = {}
        hub.spawn(self.sweep_forever)

    def add(self, datapath, table, priority, match, instructions):
        parser = datapath.ofproto_parser
        datapath.send_msg(parser.OFPFlowMod(datapath=datapath, cookie=COOKIE, table_id=table, priority=priority, match=parser.OFPMatch(**match), instructions=instructions))

    def goto(self, datapath, table):
        return [datapath.ofproto_parser.OFPInstructionGotoTable(table)]

    def actions(self, datapath, *actions):
        return datapath.ofproto_parser.OFPInstructionActions(datapath.ofproto.OFPIT_APPLY_ACTIONS, list(actions))

    def delete(self, datapath, cookie=0, mask=0):
        ofproto, parser = datapath.ofproto, datapath.ofproto_parser
        datapath.send_msg(parser.OFPFlowMod(datapath=datapath, cookie=cookie, cookie_mask=mask, table_id=ofproto.OFPTT_ALL, command=ofproto.OFPFC_DELETE,
                                            out_port=ofproto.OFPP_ANY, out_group=ofproto.OFPG_ANY))

    @set_ev_cls(ofp_event.EventOFPSwitchFeatures, CONFIG_DISPATCHER)
    def connected(self, event):
        datapath = event.msg.datapath
        self.switches[datapath.id] = datapath
        self.delete(datapath)
        datapath.send_msg(datapath.ofproto_parser.OFPPortDescStatsRequest(datapath, 0))

    @set_ev_cls(ofp_event.EventOFPPortDescStatsReply, MAIN_DISPATCHER)
    def described(self, event):
        datapath = event.msg.datapath
        # A controller knows its ports by its configuration; here they are those with low numbers.
        self.ports[datapath.id] = sorted(port.port_no for port in event.msg.body if port.port_no < 64)
        ofproto, parser = datapath.ofproto, datapath.ofproto_parser
        buckets = [parser.OFPBucket(actions=[parser.OFPActionOutput(port)]) for port in self.ports[datapath.id]]
        for command in (ofproto.OFPGC_DELETE, ofproto.OFPGC_ADD):
            datapath.send_msg(parser.OFPGroupMod(datapath, command, ofproto.OFPGT_ALL, 77, buckets if command == ofproto.OFPGC_ADD else []))
        self.pipeline(datapath)

    def pipeline(self, datapath):
        parser, ofproto = datapath.ofproto_parser, datapath.ofproto
        for port in self.ports.get(datapath.id, []):
            self.add(datapath, 0, 9000, {"in_port": port}, self.goto(datapath, 1))
        self.add(datapath, 0, 0, {}, [])
        self.add(datapath, 1, 1, {}, [self.actions(datapath, parser.OFPActionOutput(ofproto.OFPP_CONTROLLER, 96))] + self.goto(datapath, 2))
        self.add(datapath, 2, 0, {}, self.goto(datapath, 4))
        self.add(datapath, 4, 0, {}, [self.actions(datapath, parser.OFPActionGroup(77))])
        for (dpid, mac), port in self.learned.items():
            if dpid == datapath.id:
                self.host(datapath, mac, port)

    def host(self, datapath, mac, port):
        self.add(datapath, 1, 100, {"in_port": port, "eth_src": mac}, self.goto(datapath, 2))
        self.add(datapath, 2, 100, {"eth_dst": mac}, [self.actions(datapath, datapath.ofproto_parser.OFPActionOutput(port))])

    @set_ev_cls(ofp_event.EventOFPPacketIn, MAIN_DISPATCHER)
    def seen(self, event):
        message = event.msg
        if message.cookie != COOKIE:
            return
        mac = packet.Packet(message.data).get_protocol(ethernet.ethernet).src
        key, port = (message.datapath.id, mac), message.match["in_port"]
        if self.learned.get(key) != port:
            self.learned[key] = port
            self.host(message.datapath, mac, port)

    def sweep_forever(self):
        while True:
            hub.sleep(SWEEP_S)
            for datapath in list(self.switches.values()):
                datapath.send_msg(datapath.ofproto_parser.OFPFlowStatsRequest(datapath))

    @set_ev_cls(ofp_event.EventOFPFlowStatsReply, MAIN_DISPATCHER)
    def swept(self, event):
        foreign = {flow.cookie for flow in event.msg.body if flow.cookie != COOKIE}
        for cookie in foreign:
            self.delete(event.msg.datapath, cookie, 0xFFFFFFFFFFFFFFFF)
        if foreign:
            self.pipeline(event.msg.datapath)
