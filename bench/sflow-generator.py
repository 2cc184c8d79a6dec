"""Sends sFlow version 5 to a UDP port at a steady rate: `sflow-generator.py HOST PORT DATAGRAMS PER-SECOND`.

Reads templates from the standard input, each a 32-bit length and a datagram; sends them by turns, with the sequence number of
the datagram counted up. Prints, at the end, how many it sent, the seconds it took, and the latest it was behind its schedule.
"""
import socket
import struct
import sys
import time


def templates():
    data = sys.stdin.buffer.read()
    at = 0
    while at < len(data):
        (length,) = struct.unpack_from("!I", data, at)
        yield bytearray(data[at + 4 : at + 4 + length])
        at += 4 + length


def main():
    host, port, count, rate = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    buffers = list(templates())
    out = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    out.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    out.connect((host, port))
    send, pack = out.send, struct.Struct("!I").pack_into
    # A few datagrams at a time, as agents send them; then the schedule is looked at.
    bunch = 8
    # Behind its schedule, as when the machine was busy elsewhere, it catches up at a quarter more than the rate and not in one
    # burst: `earliest` is when that pace allows the next bunch, 2 ms at most before now, for sleep is not exact.
    pace = bunch / rate / 1.25
    earliest = 0.0
    turns = len(buffers)
    refused = 0
    latest = 0.0
    start = time.perf_counter()
    sent = 0
    while sent < count:
        due = max(start + sent / rate, earliest)
        now = time.perf_counter()
        if now < due:
            time.sleep(due - now)
        else:
            latest = max(latest, now - (start + sent / rate))
        earliest = max(earliest, now - 0.002) + pace
        for number in range(sent, min(sent + bunch, count)):
            buffer = buffers[number % turns]
            pack(buffer, 16, number & 0xFFFFFFFF)
            try:
                send(buffer)
            except ConnectionRefusedError:  # of the one before: nobody listens
                refused += 1
        sent = min(sent + bunch, count)
    print(sent, time.perf_counter() - start, latest, refused)


main()
