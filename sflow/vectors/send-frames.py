"""Sends frames that no host here sends by itself: tags, double tags, MPLS, SCTP, IPv6 extension headers, TCP options, a fragment."""
import socket
import struct

DST, SRC = bytes.fromhex("020000000002"), bytes.fromhex("020000000001")


def ipv4(protocol, body, fragment=0):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0x10, 20 + len(body), 0x1234, fragment, 63, protocol, 0, bytes([10, 7, 0, 1]), bytes([10, 7, 0, 2]))
    total = sum(struct.unpack("!10H", head))
    total = (total & 0xFFFF) + (total >> 16)
    return head[:10] + struct.pack("!H", ~total & 0xFFFF) + head[12:] + body


def ipv6(following, body):
    address = "20010db80000000000000000000000"
    return struct.pack("!IHBB", 0x6AB12345, len(body), following, 64) + bytes.fromhex(address + "01") + bytes.fromhex(address + "02") + body


UDP = struct.pack("!HHHH", 1111, 2222, 12, 0) + b"abcd"
TCP = struct.pack("!HHIIBBHHH", 3333, 4444, 1000, 2000, 0xA0, 0x12, 512, 0, 0) + bytes.fromhex("020405b4" "0402" "080a0000000100000002" "01" "030307")
SCTP = struct.pack("!HHII", 5555, 6666, 0xCAFE, 0) + bytes.fromhex("0100001400000001000010000001000100000001")
FRAMES = [
    b"\x81\x00" + struct.pack("!H", 3 << 13 | 7) + b"\x08\x00" + ipv4(17, UDP),
    b"\x88\xa8" + struct.pack("!H", 5 << 13 | 1 << 12 | 100) + b"\x81\x00" + struct.pack("!H", 8) + b"\x08\x00" + ipv4(17, UDP),
    b"\x88\x47" + struct.pack("!II", 100 << 12 | 2 << 9 | 61, 200 << 12 | 1 << 8 | 62) + ipv4(17, UDP),
    b"\x08\x00" + ipv4(132, SCTP),
    b"\x08\x00" + ipv4(6, TCP),
    b"\x08\x00" + ipv4(17, UDP, 0x2000 | 185),
    b"\x86\xdd" + ipv6(0, bytes.fromhex("3c00050200000100") + bytes.fromhex("1100010400000000") + UDP),
    b"\x86\xdd" + ipv6(44, struct.pack("!BBHI", 17, 0, 1, 0xABCD) + UDP),
]
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind(("eth0", 0))
for frame in FRAMES:
    whole = DST + SRC + frame
    out.send(whole + bytes(max(0, 60 - len(whole))))
