"""Builds the lab network with Mininet on userspace Open vSwitch, as an operator would have it, and says where it is.

Two spines, two leaves, two hosts a leaf. The bridges are secure, have no controller, and carry static flows under which
every host reaches every other without a loop. Prints one line of JSON, then waits for its input to close.
"""
import json
import sys

from mininet.log import setLogLevel
from mininet.net import Mininet
from mininet.node import OVSSwitch

setLogLevel("error")
LEAVES = ("l1", "l2")
SPINES = ("s1", "s2")
HOSTS = {"h1": "l1", "h2": "l1", "h3": "l2", "h4": "l2"}

net = Mininet(controller=None, switch=OVSSwitch, waitConnected=False)
for number, name in enumerate(LEAVES + SPINES, 1):
    net.addSwitch(name, dpid=f"{number:016x}", datapath="user", failMode="secure")
for number, (name, leaf) in enumerate(HOSTS.items(), 1):
    net.addHost(name, ip=f"10.0.0.{number}/24", mac=f"00:00:00:00:00:{number:02x}")
    net.addLink(name, leaf)  # leaf ports 1 and 2
for leaf in LEAVES:
    for spine in SPINES:
        net.addLink(leaf, spine)  # leaf ports 3 and 4; spine ports 1 and 2
net.build()
for switch in net.switches:
    switch.start([])
for host in net.hosts:
    # The userspace datapath forwards partial checksums as they are, and TCP would never connect.
    host.cmd(f"ethtool -K {host.name}-eth0 tx off")

flows = {}
for at, leaf in enumerate(LEAVES):
    rules = ["priority=100,in_port=4,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00,actions=drop",
             "priority=50,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00,actions=output:1,output:2,output:3"]
    for number, (host, home) in enumerate(HOSTS.items(), 1):
        port = (number - 1) % 2 + 1 if home == leaf else 3
        rules.append(f"priority=100,dl_dst=00:00:00:00:00:{number:02x},actions=output:{port}")
    flows[leaf] = rules
for spine in SPINES:
    rules = [f"priority=100,dl_dst=00:00:00:00:00:{number:02x},actions=output:{LEAVES.index(home) + 1}"
             for number, home in enumerate(HOSTS.values(), 1)]
    if spine == "s1":
        rules.append("priority=50,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00,actions=output:1,output:2")
    flows[spine] = rules
for name, rules in flows.items():
    for rule in rules:
        net.get(name).cmd(f"ovs-ofctl -O OpenFlow13 add-flow {name} '{rule}'")

print(json.dumps({
    "hosts": {host.name: {"pid": host.pid, "ip": host.IP(), "mac": host.MAC(), "device": f"{host.name}-eth0"} for host in net.hosts},
    "flows": flows,
}), flush=True)
sys.stdin.read()
net.stop()
