"""A chain of services that need each other: `names`, `auth PORT`, `app PORT AUTH-IP AUTH-PORT`, `client DNS-IP APP-IP APP-PORT COUNT MEAN-GAP-S SEED`.

The client asks the name service, then the application, which asks the authentication before it answers. Servers run until their
input closes; the client ends by itself and prints one line of JSON.
"""
import asyncio
import json
import random
import socket
import sys


async def until_closed():
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(0, lambda: sys.stdin.readline() or ended.set())
    await ended.wait()


class Names(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        # A response without answers is an answer, too (RFC 1035, 4.1.1: QR set).
        self.transport.sendto(data[:2] + b"\x81\x83" + data[4:], addr)


async def names():
    await asyncio.get_running_loop().create_datagram_endpoint(Names, local_addr=("0.0.0.0", 53))
    print(json.dumps({"listening": 53}), flush=True)
    await until_closed()


async def serve(port, before_answer):
    async def answer(reader, writer):
        try:
            await reader.readline()
            await before_answer()
            writer.write(b"yes\n" * 50)
            await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    await asyncio.start_server(answer, "0.0.0.0", port)
    print(json.dumps({"listening": port}), flush=True)
    await until_closed()


async def ask(host, port):
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"may I\n")
    await reader.read()
    writer.close()


async def look_up(dns):
    question = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03app\x03lab\x00\x00\x01\x00\x01"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.setblocking(False)
        out.connect((dns, 53))
        await asyncio.get_running_loop().sock_sendall(out, question)
        await asyncio.wait_for(asyncio.get_running_loop().sock_recv(out, 512), 5)


async def client(dns, app, port, count, gap, seed):
    at_random = random.Random(seed)
    done = failed = 0
    for _ in range(count):
        await asyncio.sleep(at_random.expovariate(1 / gap))
        try:
            await look_up(dns)
            await ask(app, port)
            done += 1
        except (OSError, asyncio.TimeoutError):
            failed += 1
    print(json.dumps({"done": done, "failed": failed}), flush=True)


async def nothing():
    pass


role, *rest = sys.argv[1:]
if role == "names":
    asyncio.run(names())
elif role == "auth":
    asyncio.run(serve(int(rest[0]), nothing))
elif role == "app":
    asyncio.run(serve(int(rest[0]), lambda: ask(rest[1], int(rest[2]))))
else:
    asyncio.run(client(rest[0], rest[1], int(rest[2]), int(rest[3]), float(rest[4]), int(rest[5])))
