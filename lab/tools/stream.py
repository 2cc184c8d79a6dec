"""One long-lived TCP connection: `serve PORT` and `run HOST PORT`.

`run` sends a numbered line every 2 ms and reads its echo. It answers each line on its input with one line of JSON: lines sent and
echoed, whether the connection stands, TCP's retransmissions, and the longest wait for an echo since the last question.
"""
import json
import select
import socket
import struct
import sys
import time


def serve(port):
    door = socket.socket()
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    door.bind(("0.0.0.0", port))
    door.listen(16)
    print(json.dumps({"listening": port}), flush=True)
    open_sockets = []
    while True:
        readable, _, _ = select.select([door, sys.stdin, *open_sockets], [], [])
        if sys.stdin in readable and not sys.stdin.readline():
            return
        for one in readable:
            if one is door:
                accepted, _ = door.accept()
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                open_sockets.append(accepted)
            elif one is not sys.stdin:
                data = one.recv(65536)
                if data:
                    one.sendall(data)
                else:
                    open_sockets.remove(one)


def retransmitted(connection):
    # struct tcp_info: tcpi_total_retrans is the 32-bit word at offset 100.
    return struct.unpack_from("=I", connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104), 100)[0]


def run(host, port):
    connection = socket.create_connection((host, port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sent = echoed = 0
    rest = b""
    wrong = 0
    failure = None
    longest = 0.0
    due = {}
    next_send = time.monotonic()
    print(json.dumps({"connected": host}), flush=True)
    while True:
        readable, _, _ = select.select([sys.stdin] if failure else [connection, sys.stdin], [], [], max(0.0, min(0.05, next_send - time.monotonic())))
        now = time.monotonic()
        try:
            if failure is None and connection in readable:
                data = connection.recv(65536)
                if not data:
                    failure = "closed by the other side"
                lines = (rest + data).split(b"\n")
                rest = lines.pop()
                for line in lines:
                    wrong += int(line) != echoed
                    longest = max(longest, now - due.pop(echoed, now))
                    echoed += 1
            if failure is None and now >= next_send:
                connection.sendall(b"%d\n" % sent)
                due[sent] = now
                sent += 1
                next_send += 0.002
        except OSError as error:
            failure = str(error)
        if sys.stdin in readable:
            if not sys.stdin.readline():
                return
            longest = max([longest, *(now - at for at in list(due.values())[:1])])
            print(json.dumps({"sent": sent, "echoed": echoed, "wrong": wrong, "failure": failure,
                              "retransmitted": 0 if failure else retransmitted(connection), "longestMs": round(longest * 1000, 1)}), flush=True)
            longest = 0.0


if sys.argv[1] == "serve":
    serve(int(sys.argv[2]))
else:
    run(sys.argv[2], int(sys.argv[3]))
