"""A TCP stream for measuring: `serve PORT` takes what comes; `send HOST PORT SECONDS [BYTES/S]` sends, as fast as
TCP takes it or at a rate, then holds the connection open.

The sender prints its port when connected and "done" when all was sent and acknowledged; it ends with its input.
"""
import fcntl
import socket
import struct
import sys
import termios
import threading
import time


def take(peer):
    while peer.recv(1 << 16):
        pass


if sys.argv[1] == "serve":
    server = socket.create_server(("", int(sys.argv[2])))
    print("listening", flush=True)
    while True:
        peer, _ = server.accept()
        threading.Thread(target=take, args=(peer,), daemon=True).start()
else:
    sock = socket.create_connection((sys.argv[2], int(sys.argv[3])))
    print(sock.getsockname()[1], flush=True)
    end = time.monotonic() + float(sys.argv[4])
    block = bytes(1 << 14)
    pause = len(block) / float(sys.argv[5]) if len(sys.argv) > 5 else 0
    while time.monotonic() < end:
        sock.sendall(block)
        if pause > 0:
            time.sleep(pause)
    while struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, b"\0" * 4))[0] > 0:
        time.sleep(0.005)
    print("done", flush=True)
    sys.stdin.read()
