"""A UDP stream with sequence numbers: `send HOST PORT RATE SECONDS` and `receive PORT`.

The receiver answers each line on its input with one line of JSON: totals since the start, and the longest gap since the last
question. Its socket buffer is large, so what is lost is lost in the network.
"""
import json
import select
import socket
import struct
import sys
import time

MAGIC = b"OVSPROBE"
BODY = struct.Struct("!8sQQ")


def send(host, port, rate, seconds):
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    start = time.monotonic()
    sent = 0
    total = int(rate * seconds)
    while sent < total:
        due = min(total, int((time.monotonic() - start) * rate) + 1)
        while sent < due:
            try:
                out.sendto(BODY.pack(MAGIC, sent, time.monotonic_ns()).ljust(64, b"."), (host, port))
            except OSError:
                pass  # counted by the receiver as lost
            sent += 1
        time.sleep(max(0.0, start + sent / rate - time.monotonic()))
    print(json.dumps({"sent": sent}), flush=True)


def receive(port):
    box = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    box.setsockopt(socket.SOL_SOCKET, 33, 32 << 20)  # SO_RCVBUFFORCE
    box.bind(("0.0.0.0", port))
    seen = bytearray()
    received = duplicates = reordered = 0
    highest = -1
    last = None
    gap = 0.0
    print(json.dumps({"listening": port}), flush=True)
    while True:
        readable, _, _ = select.select([box, sys.stdin], [], [])
        if box in readable:
            data = box.recv(2048)
            now = time.monotonic()
            if data.startswith(MAGIC):
                _, number, _ = BODY.unpack_from(data)
                if number >= len(seen):
                    seen.extend(bytes(number - len(seen) + 1))
                if seen[number]:
                    duplicates += 1
                else:
                    seen[number] = 1
                    received += 1
                    if number < highest:
                        reordered += 1
                    highest = max(highest, number)
                    if last is not None:
                        gap = max(gap, now - last)
                    last = now
            continue
        line = sys.stdin.readline()
        if not line:
            return
        print(json.dumps({"received": received, "highest": highest, "lost": highest + 1 - received, "duplicates": duplicates,
                          "reordered": reordered, "longestGapMs": round(gap * 1000, 1)}), flush=True)
        gap = 0.0


if sys.argv[1] == "send":
    send(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), float(sys.argv[5]))
else:
    receive(int(sys.argv[2]))
