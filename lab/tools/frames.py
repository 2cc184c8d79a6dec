"""Raw frames on a device: `inject DEVICE ROUNDS LIVE_MAC...` and `sniff DEVICE`; `list LIVE_MAC...` prints them in hex.

`inject` sends hostile frames, each with a marker: ARP, LLDP, STP, LACP, pause, CDP, EAPOL, ND, VLAN, broadcast, unicast to live
addresses, BFD, and spoofed live senders. `sniff` answers each line on its input with one line of JSON: frames with the marker,
probe numbers seen (how many, how many twice, how many out of order), and IPv4 packets from outside 10.0.0.0/8, which in the lab
only an attack sends, with the time of the first.
"""
import json
import select
import socket
import struct
import sys
import time

MARKER = b"OVSHOSTILE"
PROBE = b"OVSPROBE"


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def frames(live):
    us = mac("02:66:66:66:66:66")
    broadcast = b"\xff" * 6
    tail = MARKER.ljust(60, b".")
    yield broadcast + us + b"\x08\x06" + bytes.fromhex("0001080006040001") + us + bytes([10, 0, 0, 66]) + bytes(6) + bytes([10, 0, 0, 1]) + tail
    for destination, rest in (
        ("01:80:c2:00:00:0e", b"\x88\xcc"), ("01:80:c2:00:00:00", b"\x00\x26\x42\x42\x03"), ("01:80:c2:00:00:02", b"\x88\x09\x01"),
        ("01:80:c2:00:00:01", b"\x88\x08\x00\x01"), ("01:00:0c:cc:cc:cc", b"\x00\x26\xaa\xaa\x03\x00\x00\x0c\x20\x00"),
        ("01:80:c2:00:00:03", b"\x88\x8e"), ("33:33:00:00:00:01", b"\x86\xdd\x60"), ("ff:ff:ff:ff:ff:ff", b"\x81\x00\x00\x05\x08\x00"),
        ("ff:ff:ff:ff:ff:ff", b"\x08\x00"),
    ):
        yield mac(destination) + us + rest + tail
    # BFD control (RFC 5881): UDP to port 3784 with TTL 255, to all and to live addresses.
    bfd = bytes.fromhex("4500004c000000 00ff110000".replace(" ", "")) + bytes([10, 0, 0, 66, 10, 0, 0, 1]) + struct.pack("!HHHH", 49152, 3784, 56, 0) + bytes.fromhex("20400318") + bytes(20)
    yield broadcast + us + b"\x08\x00" + bfd + tail
    for one in live:
        yield mac(one) + us + b"\x08\x00" + bfd + tail
        yield mac(one) + us + b"\x08\x00" + tail
        yield broadcast + mac(one) + b"\x08\x00" + tail
        for other in live:
            if other != one:
                yield mac(other) + mac(one) + b"\x08\x00" + tail


def inject(device, rounds, live):
    out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    out.bind((device, 0))
    sent = 0
    for _ in range(rounds):
        for frame in frames(live):
            out.send(frame)
            sent += 1
    print(json.dumps({"sent": sent}), flush=True)


def sniff(device):
    box = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)  # with a protocol it would hear every device until it is bound
    box.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
    box.bind((device, 3))
    marked = twice = reordered = foreign = 0
    first = None
    highest = -1
    seen = set()
    print(json.dumps({"listening": device}), flush=True)
    while True:
        readable, _, _ = select.select([box, sys.stdin], [], [])
        if box in readable:
            frame, (_, _, kind, *_) = box.recvfrom(2048)
            if kind == socket.PACKET_OUTGOING:
                continue
            if MARKER in frame:
                marked += 1
            if frame[12:14] == b"\x08\x00" and frame[26] not in (10, 0) and MARKER not in frame:
                foreign += 1
                first = first or time.time() * 1000
                continue
            at = frame.find(PROBE)
            if at >= 0:
                (number,) = struct.unpack_from("!Q", frame, at + len(PROBE))
                if number in seen:
                    twice += 1
                else:
                    seen.add(number)
                    if number < highest:
                        reordered += 1
                    highest = max(highest, number)
            continue
        line = sys.stdin.readline()
        if not line:
            return
        if line.strip() == "ids":
            print(json.dumps({"ids": sorted(seen)}), flush=True)
        else:
            print(json.dumps({"marked": marked, "probes": len(seen), "twice": twice, "reordered": reordered,
                              "foreign": foreign, "firstForeignMs": first}), flush=True)


if sys.argv[1] == "list":
    for frame in frames(sys.argv[2:]):
        print(frame.hex())
elif sys.argv[1] == "inject":
    inject(sys.argv[2], int(sys.argv[3]), sys.argv[4:])
else:
    sniff(sys.argv[2])
