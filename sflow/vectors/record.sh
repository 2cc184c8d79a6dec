#!/bin/sh
# Records what Open vSwitch samples of VLANs, IPv6, MPLS and tunnels: record.sh FILE
#
# Wants root, a network namespace of its own and an Open vSwitch of its own in it (OVS_RUNDIR), as a capsule of the lab is; see
# test/ovs/sflow-structures.test.ts, which runs it. Writes a capture of the sFlow datagrams, as they go over the loopback.
#
# Both bridges sample every packet. b1 has p-a and p-b (hosts a and b), tunnels vx, gn and gr to 10.99.0.2, which
# lies behind bridge phy, and a bond that speaks LACP to nobody. Packets from a to 10.7.0.9 leave with an MPLS label.
set -eu
out=$1
here=$(dirname "$0")

ip link set lo up
ovs-vsctl add-br phy -- set bridge phy datapath_type=netdev -- add-br b1 -- set bridge b1 datapath_type=netdev
for host in a b x; do
  ip netns add $host
  ip link add p-$host type veth peer name eth0 netns $host
  ip link set p-$host up
  ip -n $host link set lo up
  ip -n $host link set eth0 up
  ip netns exec $host ethtool -K eth0 tx off >/dev/null 2>&1 || true
done
number=1
for host in a b; do
  ip -n $host addr add 10.7.0.$number/24 dev eth0
  ip -n $host addr add 2001:db8::$number/64 dev eth0 nodad
  ovs-vsctl add-port b1 p-$host -- set interface p-$host ofport_request=$number
  number=$((number + 1))
done
for leg in l0 l1; do
  ip link add $leg type veth peer name far-$leg
  ip link set $leg up
  ip link set far-$leg up
done
ovs-vsctl add-bond b1 bond0 l0 l1 lacp=active
ovs-vsctl add-port phy p-x
ip addr add 10.99.0.1/24 dev phy
ip link set phy up
ip -n x addr add 10.99.0.2/24 dev eth0
port=11
for tunnel in vx:vxlan gn:geneve gr:gre; do
  ovs-vsctl add-port b1 "${tunnel%:*}" -- set interface "${tunnel%:*}" type="${tunnel#*:}" options:remote_ip=10.99.0.2 options:key=$((port * 7)) ofport_request=$port
  # What goes to 10.7.0.11 takes the first tunnel, to .12 the second, to .13 the third; answers come back by them.
  ovs-ofctl add-flow b1 "priority=20,ip,in_port=1,nw_dst=10.7.0.$port,actions=output:$port"
  ovs-ofctl add-flow b1 "priority=20,arp,in_port=1,arp_tpa=10.7.0.$port,actions=output:$port"
  ovs-ofctl add-flow b1 "priority=20,in_port=$port,actions=output:1"
  port=$((port + 1))
done
ovs-ofctl -O OpenFlow13 add-flow b1 "priority=20,ip,in_port=1,nw_dst=10.7.0.9,actions=push_mpls:0x8847,set_field:1234->mpls_label,output:2"
ovs-ofctl add-flow b1 "priority=20,ip,in_port=1,nw_dst=10.7.0.8,actions=drop"
for address in 8 9; do ip -n a neigh add 10.7.0.$address lladdr 02:00:00:00:00:0$address dev eth0; done

# Something must listen: an unreachable port would cost the agent every second datagram.
python3 -c 'import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 6343))
while True: s.recv(65535)' &
sink=$!
far=$(mktemp)
ip netns exec x python3 "$here/far-end.py" > "$far" &
far_end=$!
tcpdump -i lo -Z root -s 0 -U --immediate-mode -w "$out" 'udp dst port 6343' 2>"$far.tcpdump" &
capture=$!
trap 'kill $sink $far_end $capture; rm -f "$far" "$far.tcpdump"' EXIT
wait_for() {
  tries=0
  until eval "$1"; do
    tries=$((tries + 1))
    [ $tries -lt 200 ] || { echo "not within 20 s: $1" >&2; exit 1; }
    sleep 0.1
  done
}
wait_for 'grep -q ready "$far"'
wait_for 'grep -q listening "$far.tcpdump"'
ovs-vsctl --id=@s create sFlow agent=lo 'targets="127.0.0.1:6343"' sampling=1 polling=1 header=192 -- set bridge b1 sflow=@s -- set bridge phy sflow=@s
wait_for '[ "$(stat -c %s "$out")" -gt 1000 ]'

try() { wait_for "ip netns exec a ping -q -c 1 -W 1 $1 >/dev/null"; }
try 10.7.0.2
try 2001:db8::2
for tunnel in 11 12 13; do try 10.7.0.$tunnel; done
for silent in 8 9; do ip netns exec a ping -q -c 2 -i 0.2 -W 1 10.7.0.$silent >/dev/null || true; done
ip netns exec b python3 -c 'import socket
s = socket.socket(); s.bind(("10.7.0.2", 8080)); s.listen(); print("up", flush=True); c, _ = s.accept(); c.recv(100); c.sendall(b"hello"); c.close()' > "$far" &
wait_for 'grep -q up "$far"'
ip netns exec a python3 -c 'import socket
s = socket.create_connection(("10.7.0.2", 8080)); s.sendall(b"hi"); s.recv(100)'
ip netns exec a python3 "$here/send-frames.py"
# The last samples are sent with the next whole second, at the latest.
size=$(stat -c %s "$out")
wait_for '[ "$(stat -c %s "$out")" -gt $((size + 2000)) ]'
