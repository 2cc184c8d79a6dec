#!/usr/bin/env python3
"""Shared fate: what a shadow does to live, in live's own ovs-vswitchd ("patch") and in a second one ("veth").

    sudo python3 lab/measure/shared-fate.py [--runs 3] [--seconds 3] [--only NAME,...] [--json FILE]

Three hosts on a live bridge L; h1 sends h2 a numbered UDP probe, 1,000 packets/s; h3 floods h2 from random sources. Beside it
stands the shadow as the controller wires it (guarded replica ports, adapter X, shadow S), and each cell does one thing to S.
Lost packets, the longest gap at h2 and the delay say what live felt. docs/shared-fate.md has the results and what follows.

Needs root, Open vSwitch (ovs-vswitchd, ovsdb-server, ovs-vsctl, ovs-ofctl, ovs-appctl), iproute2 and ethtool; nothing else.
All runs in namespaces of its own with a private /run, so the machine's Open vSwitch is not touched and nothing is left behind.
"""
import argparse
import json
import os
import random
import re
import signal
import socket
import statistics
import struct
import subprocess
import sys
import time

SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema"
HOSTS = (1, 2, 3)
REPLICA = 0x8000  # src/network/pipeline.ts, replicaPort
PROBE_PORT = 7000
SO_TIMESTAMPNS, SO_RCVBUFFORCE = 35, 33
PACKET_QDISC_BYPASS, SOL_PACKET = 20, 263


def mac(n):
    return f"02:00:00:00:00:{n:02x}"


def run(*command, text=None, check=True, timeout=60):
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=timeout)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def wait_for(condition, what, timeout_s=20):
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"waited {timeout_s} s in vain: {what}")
        time.sleep(0.005)


# ---- traffic: these run as processes of their own, inside a host's namespace ----


def real_time():
    """The probe must not wait for a processor, or its own lateness would look like the switch's."""
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))


def probe_send(seconds, rate=1000):
    real_time()
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("", PROBE_PORT))  # one 5-tuple for all runs
    begin = time.monotonic()
    late = 0.0
    for i in range(int(seconds * rate)):
        due = begin + i / rate
        now = time.monotonic()
        if due > now:
            time.sleep(due - now)
            now = time.monotonic()
        late = max(late, now - due)
        sock.sendto(struct.pack("!QQ", i, time.time_ns()), ("10.0.0.2", PROBE_PORT))
    print(json.dumps({"sent": int(seconds * rate), "senderLateMs": late * 1e3}))


def probe_receive():
    """Until SIGTERM: number, kernel time stamp and delay of each probe packet."""
    real_time()
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    sock.bind(("", PROBE_PORT))
    sock.settimeout(0.1)
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    print("ready", flush=True)
    seen, arrivals, delays = set(), [], []
    while True:
        try:
            data, extra, _, _ = sock.recvmsg(64, 64)
        except TimeoutError:
            if stop:
                break
            continue
        seconds, nanos = struct.unpack("qq", extra[0][2])
        number, sent_ns = struct.unpack("!QQ", data[:16])
        at = seconds * 10**9 + nanos
        seen.add(number)
        arrivals.append(at)
        delays.append(at - sent_ns)
    gaps = [y - x for x, y in zip(arrivals, arrivals[1:])] or [0]
    delays.sort()
    print(json.dumps({
        "received": len(seen),
        "duplicates": len(arrivals) - len(seen),
        "longestGapMs": max(gaps) / 1e6,
        "delayP99Ms": delays[int(len(delays) * 0.99)] / 1e6 if delays else None,
    }))


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def syn_frame(rng, source=None):
    """A 60-byte TCP SYN (64 on the wire) from h3 to h2 port 80; the source address and port are random unless given."""
    address, port = source or (struct.pack("!I", rng.randrange(0x0B000000, 0xDF000000)), rng.randrange(1024, 65536))
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, rng.randrange(65536), 0, 64, 6, 0, address, bytes([10, 0, 0, 2]))
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    tcp = struct.pack("!HHIIBBHHH", port, 80, rng.randrange(2**32), 0, 0x50, 2, 8192, 0, 0)
    tcp = tcp[:16] + struct.pack("!H", checksum(head[12:20] + struct.pack("!HH", 6, 20) + tcp)) + tcp[18:]
    hw = bytes.fromhex((mac(2) + mac(3)).replace(":", ""))
    return (hw + b"\x08\x00" + head + tcp).ljust(60, b"\0")


def flood(rate, device="eth0", seed=0):
    """Until SIGTERM: `rate` frames/s, each from another source; 0: one source, as fast as it goes."""
    rng = random.Random(seed)
    one = (bytes([10, 0, 0, 3]), 4000)
    frames = [syn_frame(rng) for _ in range(65536)] if rate else [syn_frame(rng, one)]
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    sock.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)
    sock.bind((device, 0))
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    print("ready", flush=True)
    sent, begin = 0, time.monotonic()
    while not stop:
        due = int((time.monotonic() - begin) * rate) + 1 if rate else sent + 256
        for i in range(sent, due):
            try:
                sock.send(frames[i % len(frames)])
            except OSError:
                pass  # the veth is full: that frame is lost before the switch
        sent = due
        if rate:
            time.sleep(0.001)
    print(json.dumps({"floodPps": sent / (time.monotonic() - begin)}))


class Worker:
    """One of the above in host `n`, started when it says ready."""

    def __init__(self, n, *args, ready=True):
        command = ["ip", "netns", "exec", f"h{n}", sys.executable, os.path.abspath(__file__), "--worker", *map(str, args)]
        self.child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        if ready and self.child.stdout.readline() != "ready\n":
            raise RuntimeError(f"{args} did not start")

    def end(self, ask=True, timeout_s=60):
        if ask:
            self.child.terminate()
        out, _ = self.child.communicate(timeout=timeout_s)
        return json.loads(out) if out.strip() else {}


# ---- Open vSwitch ----


class Ovs:
    """A private ovsdb-server and ovs-vswitchd in network namespace `netns` (None: the capsule's)."""

    def __init__(self, name, netns=None, monitor=False):
        self.dir, self.inside = f"/run/{name}", ["ip", "netns", "exec", netns] if netns else []
        os.makedirs(self.dir)
        self.env = {**os.environ, **dict.fromkeys(("OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR", "OVS_SYSCONFDIR"), self.dir)}
        self.tool("ovsdb-tool", "create", f"{self.dir}/conf.db", SCHEMA)
        db = ["ovsdb-server", f"{self.dir}/conf.db", f"--remote=punix:{self.dir}/db.sock", f"--unixctl={self.dir}/db.ctl"]
        switch = [*self.inside, "ovs-vswitchd", f"unix:{self.dir}/db.sock", "--disable-system", f"--unixctl={self.dir}/vs.ctl"]
        switch += ["--pidfile", "--no-chdir"] + (["--monitor", "--detach"] if monitor else [])
        self.children = [subprocess.Popen(db, env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)]
        wait_for(lambda: os.path.exists(f"{self.dir}/db.sock"), "ovsdb-server listens")
        self.tool("ovs-vsctl", "--no-wait", "init")
        self.children.append(subprocess.Popen(switch, env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        wait_for(self.answers, "ovs-vswitchd answers")

    def answers(self):
        done = subprocess.run(["ovs-appctl", "-T", "2", "-t", f"{self.dir}/vs.ctl", "version"], env=self.env, capture_output=True)
        return done.returncode == 0

    def tool(self, *command, text=None, check=True, timeout=60):
        done = subprocess.run(command, env=self.env, input=text, capture_output=True, text=True, timeout=timeout)
        if check and done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def vsctl(self, *args):
        return self.tool("ovs-vsctl", *args)

    def ofctl(self, *args, **more):
        return self.tool("ovs-ofctl", "-O", "OpenFlow14", *args, **more)

    def appctl(self, *args):
        return self.tool("ovs-appctl", "-t", f"{self.dir}/vs.ctl", *args)

    def set_flows(self, bridge, flows):
        self.ofctl("del-flows", bridge)
        self.ofctl("--bundle", "add-flows", bridge, "-", text="\n".join(flows) + "\n")

    @property
    def pid(self):
        with open(f"{self.dir}/ovs-vswitchd.pid", encoding="ascii") as file:
            return int(file.read())

    def cpu_s(self):
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def megaflows(self):
        return self.appctl("dpctl/dump-flows").count("\n")

    def upcalls(self):
        stats = self.appctl("dpif-netdev/pmd-stats-show")
        return sum(int(n) for n in re.findall(r"miss with (?:success|failed) upcall: (\d+)", stats))

    def stop(self):
        for pid in filter(None, (self.monitor_pid(), self.pid if os.path.exists(f"{self.dir}/ovs-vswitchd.pid") else None)):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for child in self.children:
            child.kill()
            child.wait()
        subprocess.run([*self.inside, "ip", "link", "del", "ovs-netdev"], capture_output=True)

    def monitor_pid(self):
        """The process that --monitor leaves in charge: the parent of ovs-vswitchd, unless that is init."""
        try:
            with open(f"/proc/{self.pid}/stat", encoding="ascii") as file:
                parent = int(file.read().rsplit(")", 1)[1].split()[1])
            with open(f"/proc/{parent}/comm", encoding="ascii") as file:
                return parent if file.read().strip() == "ovs-vswitchd" else None
        except (FileNotFoundError, ValueError):
            return None


# As the controller's own pipeline: one entry in table 0 that resubmits, forwarding by destination further on.
FORWARD = ["priority=100,actions=resubmit(,242)"] + [f"table=242,priority=100,dl_dst={mac(n)},actions=output:{n}" for n in HOSTS]


class Lab:
    """Live bridge L with its hosts, and the shadow in one of the wirings: none, patch, patch+tap, veth."""

    def __init__(self, wiring, monitor=False):
        self.wiring = wiring
        self.live = Ovs("live", monitor=monitor)
        run("ip", "netns", "add", "beside")
        self.shadow = self.live
        if wiring == "veth":
            run("ip", "netns", "exec", "beside", "ip", "link", "set", "lo", "up")
            self.shadow = Ovs("shadow", "beside", monitor)
        rows = ["--", "add-br", "L", "--", "set", "bridge", "L", "datapath_type=netdev", "fail_mode=secure"]
        for n in HOSTS:
            run("ip", "netns", "add", f"h{n}")
            run("ip", "link", "add", f"l{n}", "type", "veth", "peer", "name", "eth0", "netns", f"h{n}")
            run("ip", "link", "set", f"l{n}", "up")
            inside = ["ip", "netns", "exec", f"h{n}"]
            run(*inside, "ip", "link", "set", "eth0", "address", mac(n), "up")
            run(*inside, "ip", "addr", "add", f"10.0.0.{n}/24", "dev", "eth0")
            run(*inside, "ethtool", "-K", "eth0", "tx", "off", check=False)
            rows += ["--", "add-port", "L", f"l{n}", "--", "set", "interface", f"l{n}", f"ofport_request={n}"]
        for n in HOSTS:
            for peer in HOSTS:
                if n != peer:
                    run("ip", "-n", f"h{n}", "neigh", "add", f"10.0.0.{peer}", "lladdr", mac(peer), "dev", "eth0")
        self.live.vsctl(*rows[1:])
        self.live.set_flows("L", FORWARD)
        if wiring != "none":
            self.add_shadow()

    def add_shadow(self):
        patch = self.wiring.startswith("patch")
        ours = []
        for bridge in ("X", "S"):
            ours += ["--", "add-br", bridge, "--", "set", "bridge", bridge, "datapath_type=netdev", "fail_mode=secure"]
        on_live = []
        for n in HOSTS:
            def port(bridge, name, number, peer, to):
                to += ["--", "add-port", bridge, name, "--", "set", "interface", name, f"ofport_request={number}"]
                if peer:
                    to += ["type=patch", f"options:peer={peer}"]
            if not patch:
                run("ip", "link", "add", f"shm{n}", "type", "veth", "peer", "name", f"sha{n}", "netns", "beside")
                run("ip", "link", "set", f"shm{n}", "up")
                run("ip", "-n", "beside", "link", "set", f"sha{n}", "up")
            port("X", f"sha{n}", n, f"shm{n}" if patch else None, ours)
            port("X", f"shb{n}", REPLICA + n, f"she{n}", ours)
            port("S", f"she{n}", n, f"shb{n}", ours)
            port("L", f"shm{n}", REPLICA + n, f"sha{n}" if patch else None, on_live)
            on_live += ["--", f"--id=@o{n}", "get", "port", f"shm{n}", "--", f"--id=@s{n}", "get", "port", f"l{n}"]
            on_live += ["--", f"--id=@m{n}", "create", "mirror", f"name=shg{n}", f"output_port=@o{n}", f"select_src_port=@s{n}"]
            on_live += ["--", "add", "bridge", "L", "mirrors", f"@m{n}"]
        self.shadow.vsctl(*ours[1:])
        self.live.vsctl(*on_live[1:])
        for bridge in ("X", "S"):
            self.shadow.tool(*self.shadow.inside, "ip", "link", "set", bridge, "up")
        tap = ",LOCAL" if self.wiring == "patch+tap" else ""
        adapter = [f"in_port={n},actions=output:{REPLICA + n}{tap}" for n in HOSTS]
        self.shadow.set_flows("X", adapter + [f"in_port={REPLICA + n},actions=drop" for n in HOSTS])
        self.reset()

    def reset(self):
        """S as it was at first: the same tables as live. Its flow-mods also make vswitchd see the Mirror rows."""
        self.live.ofctl("add-flow", "L", "table=249,priority=1,actions=drop")
        self.live.ofctl("--strict", "del-flows", "L", "table=249,priority=1")
        if self.wiring != "none":
            self.shadow.ofctl("del-groups", "S")
            self.shadow.set_flows("S", FORWARD)
            if "S2" in self.shadow.vsctl("list-br").split():
                self.shadow.vsctl("del-br", "S2", "--", "del-port", "S", "loop1")
        for ovs in {self.live, self.shadow}:
            ovs.appctl("revalidator/purge")

    def copies(self):
        """Packets that have reached the shadow's edge ports."""
        if self.wiring == "none":
            return 0
        return sum(int(n) for n in re.findall(r"rx pkts=(\d+)", self.shadow.ofctl("dump-ports", "S")))

    def stop(self):
        for ovs in {self.live, self.shadow}:
            ovs.stop()
        for name in ("beside", *(f"h{n}" for n in HOSTS)):
            run("ip", "netns", "del", name, check=False)
        for n in HOSTS:
            run("ip", "link", "del", f"l{n}", check=False)
            run("ip", "link", "del", f"shm{n}", check=False)
        wait_for(lambda: not re.search(r"\b(l|shm)\d@", run("ip", "-o", "link")), "devices are gone")
        run("rm", "-rf", "/run/live", "/run/shadow")


# ---- what is done to the shadow ----


def five_tuple_flows(count):
    """Blocks of `count` random connections, as a trial of "drop these attackers" would bring."""
    rng = random.Random(1)

    def address():
        return ".".join(str(rng.randrange(11, 223)) for _ in range(4))

    return [f"priority=40000,tcp,nw_src={address()},nw_dst=10.0.0.2,tp_src={rng.randrange(1024, 65536)},tp_dst=80,actions=drop" for _ in range(count)]


def scattered(count):
    """`count` flows that no packet of the lab matches."""
    return [f"priority=30000,tcp,nw_src=10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255},tp_src={1024 + i % 60000},actions=drop" for i in range(count)]


def add_flows(*options):
    def act(lab, count):
        lab.shadow.tool("ovs-ofctl", "-O", "OpenFlow14", *options, "add-flows", "S", "-", text="\n".join(scattered(count)) + "\n")
    return act


def pipelined(lab, count):
    """The same flow-mods in OpenFlow 1.0, one behind the other, with one barrier at the end."""
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(30)
    sock.connect(f"{lab.shadow.dir}/S.mgmt")
    sock.sendall(struct.pack("!BBHI", 1, 0, 8, 1))
    wildcards = 0x3FFFFF & ~(1 << 4 | 1 << 5 | 1 << 6 | 0x3F << 8)  # ofp_flow_wildcards: DL_TYPE, NW_PROTO, TP_SRC, NW_SRC exact
    mods = bytearray()
    for i in range(count):
        match = struct.pack("!IH6s6sHBxHBBxxIIHH", wildcards, 0, b"", b"", 0, 0, 0x800, 0, 6, 10 << 24 | i, 0, 1024 + i % 60000, 0)
        mods += struct.pack("!BBHI", 1, 14, 72, 2) + match + struct.pack("!QHHHHIHH", 0, 0, 0, 0, 30000, 0xFFFFFFFF, 0xFFFF, 0)
    sock.sendall(mods + struct.pack("!BBHI", 1, 18, 8, 0xB0))
    data = b""
    while struct.pack("!BBHI", 1, 19, 8, 0xB0) not in data:
        part = sock.recv(65536)
        if not part:
            raise RuntimeError("S closed the connection")
        data = (data + part)[-65536:]
    installed = int(re.search(r"flow_count=(\d+)", lab.shadow.ofctl("dump-aggregate", "S")).group(1))
    if installed < count:
        raise RuntimeError(f"{installed} of {count} flows installed")


def delete_all(lab, count):
    lab.shadow.ofctl("del-flows", "S", "tcp")


def grow(lab, count):
    """One OVSDB transaction that adds `count` bridges, as a shadow that follows live does."""
    rows = []
    for i in range(count):
        rows += ["--", "add-br", f"g{i}", "--", "set", "bridge", f"g{i}", "datapath_type=netdev", "fail_mode=secure"]
    lab.shadow.vsctl(*rows[1:])


def shrink(lab, count):
    rows = []
    for i in range(count):
        rows += ["--", "del-br", f"g{i}"]
    lab.shadow.vsctl(*rows[1:])


def abort(lab, count):
    """ovs-facts: deleting a referenced group in a bundle that then fails makes vswitchd 3.1 abort."""
    lab.shadow.ofctl("add-group", "S", "group_id=50,type=all,bucket=output:1")
    lab.shadow.ofctl("add-flow", "S", "priority=7,tcp,tp_dst=9,actions=group:50")
    lab.shadow.ofctl("bundle", "S", "-", text="group delete group_id=50\nflow add priority=8,tcp,tp_dst=10,actions=group:50\n", check=False)


def pong(back):
    """S's part of a loop: all goes to S2, and what S2 sends back goes there again."""
    return [f"priority=150,in_port=9,actions={back}", "priority=140,actions=output:9"]


def branching(depth, out="2"):
    return [f"table={t},priority=200,actions=resubmit(,{t + 1}),resubmit(,{t + 1})" for t in range(depth)] + [f"table={depth},priority=200,actions=output:{out}"]


class Cell:
    """One thing to measure. `flows`: S's tables; `act`: done half a second into the probe; `loop`: a second bridge that sends back."""

    def __init__(self, name, wirings=("patch", "veth"), flood=0, flows=None, act=None, count=0, loop=None, before=None, after=None, seconds=None):
        self.name, self.wirings, self.flood, self.flows, self.act, self.count = name, wirings, flood, flows, act, count
        self.loop, self.before, self.after, self.seconds = loop, before, after, seconds


COARSE = ["priority=40000,in_port=3,tcp,nw_dst=10.0.0.2,tcp_flags=+syn-ack,actions=drop"]
SAMPLE = ["priority=40000,ip,actions=multipath(symmetric_l3l4+udp,7,modulo_n,100,0,NXM_NX_REG15[0..6]),resubmit(,242)"] + FORWARD
ALL = ("none", "patch", "veth")
CELLS = [
    Cell("probe alone", ALL),
    Cell("flood 5k", ALL, 5000),
    Cell("flood 20k", ALL, 20000),
    *[
        Cell(f"{name}, flood {rate // 1000}k", flood=rate, flows=flows + FORWARD)
        for name, flows in [("coarse trial", COARSE), ("32 5-tuples", five_tuple_flows(32)), ("1,000 5-tuples", five_tuple_flows(1000)), ("5-tuple hash", SAMPLE)]
        for rate in (5000, 20000)
    ],
    Cell("resubmit 2^8, ends in the adapter", flows=branching(8)),
    Cell("resubmit 2^10, ends in the adapter", flows=branching(10)),
    Cell("resubmit 2^11, ends in the adapter", flows=branching(11)),
    Cell("resubmit 2^13, over the limit of 4,096", flows=branching(13)),
    Cell("resubmit 2^3, 8 outputs to a device", flows=branching(3, "LOCAL")),
    Cell("resubmit 2^6, 64 outputs to a device", flows=branching(6, "LOCAL")),
    Cell("resubmit 2^8, 256 outputs to a device", flows=branching(8, "LOCAL")),
    Cell("resubmit 2^10, 1,024 outputs to a device", flows=branching(10, "LOCAL")),
    Cell("loop of two shadow bridges", flows=pong("in_port"), loop="actions=in_port"),
    Cell("doubling loop of two shadow bridges", flows=pong("in_port,in_port"), loop="actions=in_port"),
    Cell("10,000 flow-mods, a barrier each", act=add_flows(), count=10000),
    Cell("10,000 flow-mods, one barrier", act=pipelined, count=10000),
    Cell("bundle of 1,000", act=add_flows("--bundle"), count=1000),
    Cell("bundle of 10,000", act=add_flows("--bundle"), count=10000),
    Cell("bundle of 50,000", act=add_flows("--bundle"), count=50000),
    Cell("bundle of 1,000, flood 5k", flood=5000, act=add_flows("--bundle"), count=1000),
    Cell("bundle of 10,000, flood 5k", flood=5000, act=add_flows("--bundle"), count=10000),
    Cell("delete 10,000 flows", before=add_flows("--bundle"), act=delete_all, count=10000),
    Cell("OVSDB: add 4 bridges", act=grow, after=shrink, count=4),
    Cell("OVSDB: add 32 bridges", act=grow, after=shrink, count=32),
]


def measure(lab, cell, seconds, seed):
    lab.reset()
    if cell.before:
        cell.before(lab, cell.count)
    if cell.loop:
        lab.shadow.vsctl("add-br", "S2", "--", "set", "bridge", "S2", "datapath_type=netdev", "fail_mode=secure",
                         "--", "add-port", "S", "loop1", "--", "set", "interface", "loop1", "type=patch", "options:peer=loop2", "ofport_request=9",
                         "--", "add-port", "S2", "loop2", "--", "set", "interface", "loop2", "type=patch", "options:peer=loop1", "ofport_request=9")
        lab.shadow.set_flows("S2", [cell.loop])
    switches = [lab.live] if lab.shadow is lab.live else [lab.live, lab.shadow]
    if cell.flows and lab.wiring != "none":
        lab.shadow.set_flows("S", cell.flows)
    receiver = Worker(2, "probe-receive")
    attacker = Worker(3, "flood", cell.flood, "eth0", seed) if cell.flood else None
    upcalls, cpu, copies = [ovs.upcalls() for ovs in switches], [ovs.cpu_s() for ovs in switches], lab.copies()
    begin = time.monotonic()
    sender = Worker(1, "probe-send", seconds, ready=False)
    result = {}
    if cell.act:
        time.sleep(0.5)
        acted = time.monotonic()
        cell.act(lab, cell.count)
        result["actMs"] = (time.monotonic() - acted) * 1e3
    else:
        time.sleep(seconds * 0.8)
    result["megaflows"] = [ovs.megaflows() for ovs in switches]
    result.update(sender.end(ask=False))
    lasted = time.monotonic() - begin
    result["upcalls"] = [ovs.upcalls() - n for ovs, n in zip(switches, upcalls)]
    result["cpu"] = [(ovs.cpu_s() - s) / lasted for ovs, s in zip(switches, cpu)]
    result["copied"] = lab.copies() - copies
    if attacker:
        result.update(attacker.end())
    result.update(receiver.end())
    result["lost"] = result["sent"] - result["received"]
    if cell.after:
        cell.after(lab, cell.count)
    return result


def gone(pid):
    """Ended, if only as a zombie that nobody has asked for its status."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] in "ZX"
    except FileNotFoundError:
        return True


def measure_abort(wiring, monitor, refill):
    """The aborting bundle goes to S; a stand-in for the controller puts live's flows back as soon as the switch answers."""
    lab = Lab(wiring, monitor)
    try:
        receiver, sender = Worker(2, "probe-receive"), Worker(1, "probe-send", 6, ready=False)
        time.sleep(1)
        pid, begin = lab.shadow.pid, time.monotonic()
        abort(lab, 0)
        try:
            wait_for(lambda: gone(pid), "vswitchd aborts", 2)
            died = True
        except RuntimeError:
            died = False
        result = {"vswitchdDied": died, "liveDied": died and lab.shadow is lab.live}
        if monitor and refill and died:
            wait_for(lambda: lab.shadow.answers() and lab.shadow.pid != pid, "vswitchd is back")
            result["backMs"] = (time.monotonic() - begin) * 1e3
            if lab.shadow is lab.live:
                lab.live.set_flows("L", FORWARD)
                result["flowsBackMs"] = (time.monotonic() - begin) * 1e3
        result.update(sender.end(ask=False))
        result.update(receiver.end())
        result["lost"] = result["sent"] - result["received"]
        return result
    finally:
        lab.stop()


def measure_throughput(wiring, seconds):
    """Most 64-byte frames/s that reach h2 from one flooding host; the excess is dropped before the switch."""
    lab = Lab(wiring)
    try:
        attacker = Worker(3, "flood", 0)
        time.sleep(0.5)
        def received():
            return int(run("ip", "netns", "exec", "h2", "cat", "/sys/class/net/eth0/statistics/rx_packets"))
        count, begin, cpu = received(), time.monotonic(), lab.live.cpu_s()
        time.sleep(seconds)
        lasted = time.monotonic() - begin
        result = {"pps": (received() - count) / lasted, "cpu": [(lab.live.cpu_s() - cpu) / lasted]}
        result.update(attacker.end())
        return result
    finally:
        lab.stop()


# ---- report ----


def spread(values, digits=0):
    values = [value for value in values if value is not None]
    if not values:
        return "-"
    low, mid, high = min(values), statistics.median(values), max(values)
    text = f"{mid:,.{digits}f}"
    return text if f"{low:.{digits}f}" == f"{high:.{digits}f}" else f"{text} ({low:,.{digits}f}-{high:,.{digits}f})"


def summed(runs, key):
    return "+".join(spread([run[key][i] for run in runs], 2 if key == "cpu" else 0) for i in range(len(runs[0][key])))


def table_row(name, wiring, runs):
    return (f"| {name} | {wiring} | {spread([r['lost'] for r in runs])} of {runs[0]['sent']:,} | {spread([r['longestGapMs'] for r in runs], 1)} "
            f"| {spread([r['delayP99Ms'] for r in runs], 2)} | {summed(runs, 'megaflows')} | {summed(runs, 'upcalls')} | {summed(runs, 'cpu')} "
            f"| {spread([r.get('actMs') for r in runs])} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--only", default="", help="cells whose name contains one of these, comma-separated; also: throughput, abort")
    parser.add_argument("--json", default="")
    args = parser.parse_args()
    only = [word for word in args.only.split(",") if word]
    def wanted(name):
        return not only or any(word in name for word in only)
    results = []
    print("| what | wiring | probe lost | longest gap, ms | delay p99, ms | megaflows | upcalls | vswitchd CPU (processors) | act took, ms |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    for wiring in ALL:
        cells = [cell for cell in CELLS if wiring in cell.wirings and wanted(cell.name)]
        if not cells:
            continue
        lab = Lab(wiring)
        for cell in cells:
            runs = [measure(lab, cell, cell.seconds or args.seconds, seed) for seed in range(args.runs)]
            if wiring != "none" and not any(r["copied"] for r in runs):
                raise RuntimeError("no copies reached the shadow: nothing was measured")
            results.append({"cell": cell.name, "wiring": wiring, "runs": runs})
            print(table_row(cell.name, wiring, runs), flush=True)
        lab.stop()
    if wanted("throughput"):
        for wiring in ("none", "patch", "patch+tap", "veth"):
            runs = [measure_throughput(wiring, args.seconds) for _ in range(args.runs)]
            results.append({"cell": "throughput", "wiring": wiring, "runs": runs})
            print(f"throughput, {wiring}: {spread([r['pps'] for r in runs])} frames/s to h2, offered {spread([r['floodPps'] for r in runs])}", flush=True)
    if wanted("abort"):
        for wiring in ("patch", "veth"):
            for monitor in (False, True):
                runs = [measure_abort(wiring, monitor, True) for _ in range(args.runs if monitor else 1)]
                results.append({"cell": "abort", "wiring": wiring, "monitor": monitor, "runs": runs})
                print(f"abort, {wiring}, monitor={monitor}: {json.dumps(runs)}", flush=True)
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        work, *values = sys.argv[2:]
        if work == "probe-send":
            probe_send(float(values[0]))
        elif work == "probe-receive":
            probe_receive()
        else:
            flood(int(values[0]), values[1] if len(values) > 1 else "eth0", int(values[2]) if len(values) > 2 else 0)
    elif os.environ.get("SHARED_FATE_CAPSULE") == "1":
        subprocess.check_call(["mount", "-t", "tmpfs", "tmpfs", "/run"])
        os.makedirs("/run/netns")
        run("ip", "link", "set", "lo", "up")
        main()
    else:
        os.environ["SHARED_FATE_CAPSULE"] = "1"
        capsule = ["unshare", "--mount", "--net", "--pid", "--ipc", "--fork", "--kill-child=SIGKILL", "--mount-proc", "--propagation", "private"]
        os.execvp("unshare", [*capsule, sys.executable, os.path.abspath(__file__), *sys.argv[1:]])
