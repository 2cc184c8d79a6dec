"""The far end of VXLAN, Geneve and GRE tunnels: answers ARP and pings inside them, whatever address is asked for."""
import select
import socket
import struct

MAC = bytes.fromhex("0200000000fe")


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data[: len(data) & ~1])) + (data[-1] << 8 if len(data) & 1 else 0)
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def answer(frame):
    """The reply to an Ethernet frame, or None."""
    back = frame[6:12] + MAC
    if frame[12:14] == b"\x08\x06" and frame[20:22] == b"\x00\x01":
        return back + frame[12:20] + b"\x00\x02" + MAC + frame[38:42] + frame[22:32]
    if frame[12:14] == b"\x08\x00" and frame[23] == 1 and frame[34] == 8:
        body = bytearray(frame[34:])
        body[0:4] = bytes(4)
        struct.pack_into("!H", body, 2, checksum(bytes(body)))
        return back + frame[12:26] + frame[30:34] + frame[26:30] + bytes(body)
    return None


udp = []
for port in (4789, 6081):
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.bind(("0.0.0.0", port))
    udp.append(one)
gre = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_GRE)
print("ready", flush=True)
while True:
    for ready in select.select([*udp, gre], [], [])[0]:
        data, (host, _) = ready.recvfrom(65535)
        if ready is gre:
            data = data[(data[0] & 15) * 4 :]
            head = 4 + (4 if data[0] & 0x20 else 0)
            port = 0
        else:
            head, port = 8, ready.getsockname()[1]
        reply = answer(data[head:])
        if reply is not None:
            ready.sendto(data[:head] + reply, (host, port))
