"""A TCP connection that is used when asked, and frames with its addresses: `run HOST PORT`, `hear PORT` and `craft …`.

`run` connects and answers each line on its input with one line of JSON: `echo N` sends N chunks and waits for the echo of each;
`place` tells the connection's ports and both next sequence numbers, as an attacker knows who sees copies. `hear` counts UDP packets
to a port, and answers each line with how many. `craft KIND SRC_MAC DST_MAC SRC DST SPORT DPORT SEQ ACK` prints a frame in hex: `rst`,
`fin`, `data`, `udp`, or `unreachable`, an ICMP error about a segment from DST to SRC.
"""
import json
import select
import socket
import struct
import sys

CHUNK = b"x" * 100
TCP_REPAIR, TCP_REPAIR_QUEUE, TCP_QUEUE_SEQ = 19, 20, 21


def place(connection):
    """The next sequence numbers to be received and sent; the repair mode of the kernel tells them (needs CAP_NET_ADMIN)."""
    connection.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    seqs = []
    for queue in (1, 2):
        connection.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR_QUEUE, queue)
        seqs.append(connection.getsockopt(socket.IPPROTO_TCP, TCP_QUEUE_SEQ) & 0xFFFFFFFF)
    connection.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, -1)  # off, and without a window probe
    return {"port": connection.getsockname()[1], "receiveSeq": seqs[0], "sendSeq": seqs[1]}


def echo(connection, count):
    done = 0
    try:
        for _ in range(count):
            connection.sendall(CHUNK)
            left = len(CHUNK)
            while left:
                data = connection.recv(left)
                if not data:
                    return {"echoed": done, "failure": "closed by the other side"}
                left -= len(data)
            done += 1
    except OSError as error:
        return {"echoed": done, "failure": str(error)}
    return {"echoed": done, "failure": None}


def run(host, port):
    connection = socket.create_connection((host, port), timeout=5)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    print(json.dumps({"connected": host}), flush=True)
    for line in sys.stdin:
        word, *rest = line.split()
        print(json.dumps(echo(connection, int(rest[0])) if word == "echo" else place(connection)), flush=True)


def hear(port):
    box = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    box.bind(("0.0.0.0", port))
    heard = 0
    print(json.dumps({"listening": port}), flush=True)
    while True:
        readable, _, _ = select.select([box, sys.stdin], [], [])
        if box in readable:
            box.recv(2048)
            heard += 1
        elif not sys.stdin.readline():
            return
        else:
            print(json.dumps({"heard": heard}), flush=True)


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total >> 16) + (total & 0xFFFF)
    return ~total & 0xFFFF


def ip(protocol, src, dst, payload):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0, src, dst)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def with_pseudo(protocol, src, dst, payload, at):
    total = checksum(src + dst + struct.pack("!BBH", 0, protocol, len(payload)) + payload)
    return payload[:at] + struct.pack("!H", total) + payload[at + 2:]


def craft(kind, src_mac, dst_mac, src, dst, sport, dport, seq, ack):
    src, dst = socket.inet_aton(src), socket.inet_aton(dst)
    sport, dport, seq, ack = int(sport), int(dport), int(seq), int(ack)
    mac = lambda text: bytes.fromhex(text.replace(":", ""))
    if kind == "udp":
        body = ip(17, src, dst, with_pseudo(17, src, dst, struct.pack("!HHHH", sport, dport, 16, 0) + b"hostile!", 6))
    elif kind == "unreachable":
        about = ip(6, dst, src, struct.pack("!HHII", dport, sport, ack, seq))
        error = struct.pack("!BBHI", 3, 1, 0, 0) + about
        body = ip(1, src, dst, error[:2] + struct.pack("!H", checksum(error)) + error[4:])
    else:
        flags = {"rst": 0x04, "fin": 0x11, "data": 0x18}[kind]
        data = CHUNK if kind == "data" else b""
        segment = struct.pack("!HHIIBBHHH", sport, dport, seq, ack, 5 << 4, flags, 501, 0, 0) + data
        body = ip(6, src, dst, with_pseudo(6, src, dst, segment, 16))
    print((mac(dst_mac) + mac(src_mac) + b"\x08\x00" + body).hex())


if sys.argv[1] == "run":
    run(sys.argv[2], int(sys.argv[3]))
elif sys.argv[1] == "hear":
    hear(int(sys.argv[2]))
else:
    craft(*sys.argv[2:])
