"""Traffic of the copy-cost benchmark: raw frames between devices of one network namespace, from an operator's point of view
hosts at ports of a bridge. Prints one line of JSON.

`flood FROM TO SINK SECONDS CONNECTIONS PIDFILE`: 64-byte TCP segments (60 without the checksum) of that many connections in turn, as
fast as it goes; what TO and SINK received a second in the last four fifths, the processor time that the process used meanwhile for each
packet, and how many TO received in all.
`probe FROM TO SECONDS RATE`: numbered frames, and the delay of each by the kernel's time stamp at TO. `spacing FROM TO SINK SECONDS
RATE`: numbered frames, and by the kernel's time stamps how much the time between two copies at SINK differs from that between the
two originals at TO. `enable FROM TO SINK SECONDS RATE CONNECTIONS`: numbered frames of that many connections in turn, and when (ms since
the epoch) the first one that came to SINK and the last one that did not were sent; frames of the last half second do not count.
"""
import json
import os
import random
import select
import socket
import struct
import sys
import time

PACKET_QDISC_BYPASS, SOL_PACKET, SO_TIMESTAMPNS, SO_RCVBUFFORCE = 20, 263, 35, 33
SOURCE, TARGET = bytes.fromhex("020000000301"), bytes.fromhex("020000000302")
MARKER = b"COPYCOST"


def frame(source, protocol, sport, payload=b""):
    """IPv4 with the ports where TCP and UDP have them. Nothing looks at its checksums: no host has these addresses."""
    rest = struct.pack("!HH", sport, 80) + (struct.pack("!IIBBHHH", 1, 0, 0x50, 0x10, 8192, 0, 0) if protocol == 6 else struct.pack("!HH", 8 + len(payload), 0))
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(rest) + len(payload), 0, 0, 64, protocol, 0, source, bytes([10, 0, 0, 2]))
    total = sum(struct.unpack("!10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    head = head[:10] + struct.pack("!H", ~total & 0xFFFF) + head[12:]
    return (TARGET + SOURCE + b"\x08\x00" + head + rest + payload).ljust(60, b"\0")


def device_socket(device, protocol=0):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
    sock.bind((device, protocol))
    return sock


def received(device):
    with open("/proc/net/dev", encoding="ascii") as file:
        for line in file:
            name, _, counters = line.partition(":")
            if name.strip() == device:
                return int(counters.split()[1])
    raise RuntimeError(f"no device {device}")


def settled(device):
    """What it received, once nothing more comes."""
    count = -1
    while (now := received(device)) != count:
        count = now
        time.sleep(0.1)
    return count


def processor_s(pidfile):
    with open(pidfile, encoding="ascii") as file:
        pid = int(file.read())
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def flood(sender, target, sink, seconds, connections, pidfile):
    rng = random.Random(1)
    frames = [frame(struct.pack("!I", rng.randrange(0x0B000000, 0x7F000000)), 6, rng.randrange(1024, 65536)) for _ in range(connections)]
    sock = device_socket(sender)
    sock.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)
    at_first = received(target)
    begin = time.monotonic()
    from_s, before, used, sent = None, None, None, 0
    while True:
        now = time.monotonic()
        if before is None and now - begin >= seconds / 5:
            from_s, before, used = now, (received(target), received(sink)), processor_s(pidfile)
        if now - begin >= seconds:
            break
        for i in range(sent, sent + 256):
            try:
                sock.send(frames[i % connections])
            except OSError:
                pass  # the device is full: lost before the switch
        sent += 256
    after = (received(target), received(sink))
    lasted = time.monotonic() - from_s
    forwarded = after[0] - before[0]
    used_us = (processor_s(pidfile) - used) * 1e6 / max(1, forwarded)
    in_all = settled(target) - at_first
    return {"forwarded": forwarded / lasted, "copied": (after[1] - before[1]) / lasted, "offered": sent / seconds, "processorUs": used_us, "inAll": in_all}


def send_numbered(sender, count, rate, connections):
    """In a process of its own, so that receiving does not delay sending; returns its pid."""
    child = os.fork()
    if child:
        return child
    out = device_socket(sender)
    begin = time.monotonic()
    for i in range(count):
        while (left := begin + i / rate - time.monotonic()) > 0:
            if left > 2e-4:
                time.sleep(left - 1e-4)
        out.send(frame(bytes([10, 0, 0, 1]), 17, 7000 + i % connections, MARKER + struct.pack("!QQ", i, time.time_ns())))
    os._exit(0)


def receive_numbered(devices, child):
    """Until the sender has ended and nothing came for half a second: (number, sent, received) in ns, in order of arrival, by device."""
    socks = {}
    for device in devices:
        sock = device_socket(device, 0x0800)
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        sock.setblocking(False)
        socks[sock] = []
    pid = child()
    running = True
    while True:
        ready, _, _ = select.select(list(socks), [], [], 0.5)
        if not ready and not running:
            return list(socks.values())
        if running and os.waitpid(pid, os.WNOHANG)[0]:
            running = False
        for sock in ready:
            for _ in range(512):
                try:
                    data, extra, _, _ = sock.recvmsg(256, 64)
                except BlockingIOError:
                    break
                at = data.find(MARKER)
                if at >= 0:
                    number, sent_ns = struct.unpack("!QQ", data[at + 8 : at + 24])
                    seconds_, nanos = struct.unpack("qq", extra[0][2])
                    socks[sock].append((number, sent_ns, seconds_ * 10**9 + nanos))


def spacing(sender, target, sink, seconds, rate):
    count = int(seconds * rate)
    live, copies = receive_numbered([target, sink], lambda: send_numbered(sender, count, rate, 1))
    original = {number: at for number, _, at in live}
    copied = {number: at for number, _, at in copies}
    both = [i for i in range(1, count) if all(n in at for n in (i - 1, i) for at in (original, copied))]
    errors = sorted(abs((copied[i] - copied[i - 1]) - (original[i] - original[i - 1])) / 1e3 for i in both)
    highest, reordered = -1, 0
    for number, _, _ in copies:
        reordered += number < highest
        highest = max(highest, number)
    return {"copied": len(copied), "delivered": len(original), "reordered": reordered,
            "p50Us": errors[len(errors) // 2], "p99Us": errors[int(len(errors) * 0.99)]}


def enable(sender, target, sink, seconds, rate, connections):
    count = int(seconds * rate)
    live, copies = receive_numbered([target, sink], lambda: send_numbered(sender, count, rate, connections))
    sent = {number: sent_ns / 1e6 for number, sent_ns, _ in live}
    copied = {number for number, _, _ in copies}
    end = max(sent.values()) - 500
    missed = [at for number, at in sent.items() if number not in copied and at < end]
    came = [sent[number] for number in copied if number in sent]
    return {"delivered": len(sent), "firstCopiedMs": min(came, default=None), "lastMissedMs": max(missed, default=None)}


def probe(sender, target, seconds, rate):
    out, back = device_socket(sender), device_socket(target, 0x0800)
    back.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
    back.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    back.setblocking(False)
    delays = {}

    def drain():
        while True:
            try:
                data, extra, _, _ = back.recvmsg(256, 64)
            except BlockingIOError:
                return
            at = data.find(MARKER)
            if at < 0:
                continue
            number, sent_ns = struct.unpack("!QQ", data[at + 8 : at + 24])
            seconds_, nanos = struct.unpack("qq", extra[0][2])
            delays[number] = (seconds_ * 10**9 + nanos - sent_ns) / 1e3

    begin, count = time.monotonic(), int(seconds * rate)
    for i in range(count):
        while (left := begin + i / rate - time.monotonic()) > 0:
            time.sleep(left)
        out.send(frame(bytes([10, 0, 0, 1]), 17, 7000, MARKER + struct.pack("!QQ", i, time.time_ns())))
        drain()
    end = time.monotonic() + 1
    while len(delays) < count and time.monotonic() < end:
        time.sleep(0.01)
        drain()
    ordered = sorted(delays.values())
    return {"lost": count - len(delays), "p50Us": ordered[len(ordered) // 2], "p99Us": ordered[int(len(ordered) * 0.99)]}


kind, *words = sys.argv[1:]
if kind == "flood":
    result = flood(words[0], words[1], words[2], float(words[3]), int(words[4]), words[5])
elif kind == "spacing":
    result = spacing(words[0], words[1], words[2], float(words[3]), int(words[4]))
elif kind == "enable":
    result = enable(words[0], words[1], words[2], float(words[3]), int(words[4]), int(words[5]))
else:
    result = probe(words[0], words[1], float(words[2]), int(words[3]))
print(json.dumps(result))
