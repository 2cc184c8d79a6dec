"""Steady loads on many devices from one process: `SECONDS DEVICE=RATE:LENGTH...`, packets/s and bytes of each frame. Prints how many were sent."""
import heapq
import json
import socket
import sys
import time

seconds = float(sys.argv[1])
boxes, frames, turns = [], [], []
start = time.monotonic()
for number, word in enumerate(sys.argv[2:]):
    device, load = word.split("=")
    rate, length = load.split(":")
    box = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    box.bind((device, 0))
    boxes.append(box)
    # An EtherType for experiments (IEEE 802, 0x88b5), to an address that nobody has.
    frames.append((bytes.fromhex("020000ffffff") + (0x020001000000 + number).to_bytes(6, "big") + b"\x88\xb5").ljust(int(length), b"."))
    heapq.heappush(turns, (start + number / 1e4, number, 1 / float(rate)))
sent = 0
while turns[0][0] < start + seconds:
    at, number, gap = heapq.heappop(turns)
    time.sleep(max(0.0, at - time.monotonic()))
    boxes[number].send(frames[number])
    sent += 1
    heapq.heappush(turns, (at + gap, number, gap))
print(json.dumps({"sent": sent}), flush=True)
