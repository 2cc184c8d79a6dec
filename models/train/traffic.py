#!/usr/bin/python3
"""Traffic of ordinary programs for recordings: `traffic.py ROLE ...`.

udp-sink PORT | udp-answer PORT BYTES | udp-stream HOST PORT BYTES RATE SECONDS | udp-query HOSTS PORT RATE SECONDS
web-serve PORT BYTES | web-load HOST PORT RATE SECONDS SOURCE-PREFIX SOURCES

Rates are packets, queries or connections per second. Real sockets throughout; a web load's connections come from as many addresses of the host as
SOURCES says (SOURCE-PREFIX + 10 and on).
"""
import asyncio
import random
import socket
import sys
import time


def paced(rate, seconds):
    """Yields RATE times a second, on the clock, so that a late one does not slow the rest."""
    due = start = time.perf_counter()
    while due < start + seconds:
        yield max(0.0, due - time.perf_counter())
        due += 1 / rate


def udp(port=None):
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    if port is not None:
        opened.bind(("0.0.0.0", int(port)))
    return opened


def udp_sink(port):
    opened = udp(port)
    while True:
        opened.recv(65535)


def udp_answer(port, size):
    opened, answer = udp(port), bytes(int(size))
    while True:
        opened.sendto(answer, opened.recvfrom(65535)[1])


def udp_stream(host, port, size, rate, seconds):
    opened, payload = udp(), bytes(int(size))
    for wait in paced(float(rate), float(seconds)):
        time.sleep(wait)
        opened.sendto(payload, (host, int(port)))


def udp_query(hosts, port, rate, seconds):
    """As a resolver does: a fresh source port for each query, the answer read or left."""
    open_sockets = []
    for wait in paced(float(rate), float(seconds)):
        time.sleep(wait)
        open_sockets.append(udp())
        open_sockets[-1].sendto(bytes(40), (random.choice(hosts.split(",")), int(port)))
        if len(open_sockets) > 400:
            open_sockets.pop(0).close()


def web_serve(port, size):
    async def answer(reader, writer):
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.0 200 OK\r\n\r\n" + bytes(int(size)))
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client went away: nothing to answer
        writer.close()

    async def serve():
        server = await asyncio.start_server(answer, "0.0.0.0", int(port), backlog=4096)
        await server.serve_forever()

    asyncio.run(serve())


def web_load(host, port, rate, seconds, prefix, sources):
    done = 0

    async def fetch():
        nonlocal done
        try:
            source = f"{prefix}{random.randint(10, 9 + int(sources))}"
            reader, writer = await asyncio.wait_for(asyncio.open_connection(host, int(port), local_addr=(source, 0)), 4)
            writer.write(b"GET / HTTP/1.0\r\n\r\n")
            await asyncio.wait_for(reader.read(-1), 4)
            writer.close()
            done += 1
        except (OSError, asyncio.TimeoutError):
            pass  # counted by being missing from `done`

    async def load():
        tasks = []
        for wait in paced(float(rate), float(seconds)):
            await asyncio.sleep(wait)
            tasks.append(asyncio.create_task(fetch()))
        await asyncio.gather(*tasks)
        print(f"{done} of {len(tasks)} answered")

    asyncio.run(load())


ROLES = {"udp-sink": udp_sink, "udp-answer": udp_answer, "udp-stream": udp_stream, "udp-query": udp_query, "web-serve": web_serve, "web-load": web_load}
ROLES[sys.argv[1]](*sys.argv[2:])
