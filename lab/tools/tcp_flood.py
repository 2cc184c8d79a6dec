"""TCP headers as fast as a device takes them, for measuring a capture: `tcp_flood.py DEVICE-A DEVICE-B CONNECTIONS RATE SECONDS`.

Data of many connections leaves by device A, the acknowledgements by device B, at RATE packets/s in all (0: as fast as it goes). Frames lie in
a ring that is shared with the kernel (packet(7), PACKET_TX_RING); each round only moves their sequence numbers on.
Prints how many packets were sent and how long that took, as JSON.
"""
import array
import json
import mmap
import socket
import struct
import sys
import time

SOL_PACKET, PACKET_TX_RING = 263, 13
FRAME, HEADER, BURST = 256, 32, 512
SEND_REQUEST = 1
PAYLOAD = 64
FIRST_PORT = 1024


class Ring:
    """Frames of one direction, a connection each. `moves` is where in a frame the number lies that grows with each round."""

    def __init__(self, device, frames, moves):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.bind((device, 0))
        size = len(frames) * FRAME
        self.socket.setsockopt(SOL_PACKET, PACKET_TX_RING, struct.pack("IIII", 4096, size // 4096, FRAME, len(frames)))
        ring = mmap.mmap(self.socket.fileno(), size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        for i, frame in enumerate(frames):
            at = i * FRAME
            ring[at + 8 : at + 12] = struct.pack("I", len(frame))
            ring[at + HEADER : at + HEADER + len(frame)] = frame
        self.count = len(frames)
        view = memoryview(ring)
        self.status = view.cast("Q")[:: FRAME // 8]
        words = view.cast("H")
        self.high = words[(HEADER + moves) // 2 :: FRAME // 2]
        self.low = words[(HEADER + moves) // 2 + 1 :: FRAME // 2]
        self.request = memoryview(array.array("Q", [SEND_REQUEST] * BURST))

    def move(self, value):
        for words, half in ((self.high, value >> 16), (self.low, value & 0xFFFF)):
            words[:] = memoryview(array.array("H", [socket.htons(half)]) * self.count)

    def send(self, start):
        self.status[start : start + BURST] = self.request
        self.socket.send(b"")


def frame(from_client, port, payload):
    ips = (bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2]))
    source, target = ips if from_client else ips[::-1]
    ports = (port, 80) if from_client else (80, port)
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40 + payload, 0, 0x4000, 64, 6, 0, source, target)
    tcp = struct.pack("!HHIIBBHHH", *ports, 1, 1, 0x50, 0x10, 1000, 0, 0)
    return b"\2" * 12 + b"\x08\x00" + ip + tcp + bytes(payload)


def main():
    device_a, device_b = sys.argv[1:3]
    connections, rate, seconds = int(sys.argv[3]), float(sys.argv[4]), float(sys.argv[5])
    if connections % BURST != 0:
        sys.exit(f"the connections must be a multiple of {BURST}")
    ports = range(FIRST_PORT, FIRST_PORT + connections)
    data = Ring(device_a, [frame(True, port, PAYLOAD) for port in ports], 38)
    acks = Ring(device_b, [frame(False, port, 0) for port in ports], 42)
    began = time.monotonic()
    sent, turn = 0, 0
    while time.monotonic() - began < seconds:
        data.move(1 + turn * PAYLOAD & 0xFFFFFFFF)
        acks.move(1 + (turn + 1) * PAYLOAD & 0xFFFFFFFF)
        turn += 1
        for start in range(0, connections, BURST):
            data.send(start)
            acks.send(start)
            sent += 2 * BURST
            if rate > 0:
                early = began + sent / rate - time.monotonic()
                if early > 0:
                    time.sleep(early)
    print(json.dumps({"sent": sent, "seconds": time.monotonic() - began}))


main()
