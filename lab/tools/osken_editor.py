"""Another controller beside ours: when the file named by GO appears, it edits the bridge, and says "done" on its output.

The file's lines are commands: `flows N COOKIE` adds N flows with that cookie, `group ID` a group, `meter ID` a meter,
`delete COOKIE` deletes all flows with that cookie, whoever made them.
"""
import os

from os_ken.base import app_manager
from os_ken.controller import ofp_event
from os_ken.controller.handler import CONFIG_DISPATCHER, MAIN_DISPATCHER, set_ev_cls
from os_ken.lib import hub
from os_ken.ofproto import ofproto_v1_3

GO = os.environ["GO"]


class Editor(app_manager.OSKenApp):
    OFP_VERSIONS = [ofproto_v1_3.OFP_VERSION]

    @set_ev_cls(ofp_event.EventOFPSwitchFeatures, CONFIG_DISPATCHER)
    def features(self, event):
        hub.spawn(self.serve, event.msg.datapath)

    @set_ev_cls(ofp_event.EventOFPBarrierReply, MAIN_DISPATCHER)
    def barrier(self, _event):
        print("done", flush=True)

    def serve(self, datapath):
        print("ready", flush=True)
        while True:
            if os.path.exists(GO):
                with open(GO) as commands:
                    lines = commands.read().splitlines()
                os.unlink(GO)
                for line in lines:
                    self.run(datapath, *line.split())
                datapath.send_msg(datapath.ofproto_parser.OFPBarrierRequest(datapath))
            hub.sleep(0.02)

    def run(self, datapath, command, *args):
        ofproto, parser = datapath.ofproto, datapath.ofproto_parser
        if command == "flows":
            count, cookie = int(args[0]), int(args[1], 0)
            apply_actions = [parser.OFPInstructionActions(ofproto.OFPIT_APPLY_ACTIONS, [])]
            for i in range(count):
                match = parser.OFPMatch(eth_type=0x0800, ipv4_dst=f"203.0.{i >> 8}.{i & 255}")
                datapath.send_msg(parser.OFPFlowMod(datapath=datapath, table_id=77, priority=7, cookie=cookie, match=match, instructions=apply_actions))
        elif command == "group":
            bucket = parser.OFPBucket(actions=[parser.OFPActionOutput(1)])
            datapath.send_msg(parser.OFPGroupMod(datapath, ofproto.OFPGC_ADD, ofproto.OFPGT_ALL, int(args[0]), [bucket]))
        elif command == "meter":
            datapath.send_msg(parser.OFPMeterMod(datapath, ofproto.OFPMC_ADD, ofproto.OFPMF_KBPS, int(args[0]), [parser.OFPMeterBandDrop(1000, 100)]))
        elif command == "delete":
            cookie = int(args[0], 0)
            datapath.send_msg(parser.OFPFlowMod(datapath=datapath, table_id=ofproto.OFPTT_ALL, command=ofproto.OFPFC_DELETE, cookie=cookie, cookie_mask=(1 << 64) - 1,
                                                out_port=ofproto.OFPP_ANY, out_group=ofproto.OFPG_ANY, match=parser.OFPMatch()))
