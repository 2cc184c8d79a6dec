"""Traffic of the copy-cost benchmark: raw frames between devices of one network namespace, from an operator's point of view
hosts at ports of a bridge. Prints one line of JSON.

`flood FROM TO SINK SECONDS CONNECTIONS`: 64-byte TCP segments (60 without the checksum) of that many connections in turn, as fast
as it goes; what TO and SINK received in the last four fifths. `probe FROM TO SECONDS RATE`: numbered frames, and the delay of
each by the kernel's time stamp at TO.
"""
import json
import random
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


def flood(sender, target, sink, seconds, connections):
    rng = random.Random(1)
    frames = [frame(struct.pack("!I", rng.randrange(0x0B000000, 0x7F000000)), 6, rng.randrange(1024, 65536)) for _ in range(connections)]
    sock = device_socket(sender)
    sock.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)
    begin = time.monotonic()
    from_s, before, sent = None, None, 0
    while True:
        now = time.monotonic()
        if before is None and now - begin >= seconds / 5:
            from_s, before = now, (received(target), received(sink))
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
    return {"forwarded": (after[0] - before[0]) / lasted, "copied": (after[1] - before[1]) / lasted, "offered": sent / seconds}


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
    result = flood(words[0], words[1], words[2], float(words[3]), int(words[4]))
else:
    result = probe(words[0], words[1], float(words[2]), int(words[3]))
print(json.dumps(result))
