"""Flows with known counts: `serve TCP_PORT UDP_PORT` answers every message and tells, for each line on its input, what each peer sent it;
`run ADDRESS TCP_PORT UDP_PORT TCP_FLOWS UDP_FLOWS MESSAGES GAP_MS` opens flows, sends so many messages on each, and prints what it sent.
`stream ADDRESS UDP_PORT FIRST_PORT FLOWS RATE SECONDS` sends numbered messages from so many ports in turn, RATE a second from each."""
import asyncio
import json
import sys

SIZE = 200


class Answerer(asyncio.DatagramProtocol):
    def __init__(self, counts):
        self.counts = counts

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, peer):
        key = f"udp {peer[0]}:{peer[1]}"
        self.counts[key] = self.counts.get(key, 0) + 1
        self.transport.sendto(data, peer)


async def lines():
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield line


async def serve(tcp_port, udp_port):
    counts = {}

    async def accepted(reader, writer):
        peer = writer.get_extra_info("peername")
        key = f"tcp {peer[0]}:{peer[1]}"
        try:
            while True:
                data = await reader.readexactly(SIZE)
                counts[key] = counts.get(key, 0) + 1
                writer.write(data)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    await asyncio.start_server(accepted, "0.0.0.0", tcp_port, backlog=1024)
    await asyncio.get_running_loop().create_datagram_endpoint(lambda: Answerer(counts), local_addr=("0.0.0.0", udp_port))
    print(json.dumps("ready"), flush=True)
    async for _ in lines():
        print(json.dumps(counts), flush=True)


async def tcp_flow(address, port, messages, gap, made):
    reader, writer = await asyncio.open_connection(address, port)
    own = writer.get_extra_info("sockname")
    for _ in range(messages):
        writer.write(bytes(SIZE))
        await reader.readexactly(SIZE)
        await asyncio.sleep(gap)
    writer.close()
    await writer.wait_closed()
    made.append({"protocol": "tcp", "port": own[1], "sent": messages, "answered": messages})


class Asker(asyncio.DatagramProtocol):
    answered = 0

    def datagram_received(self, data, peer):
        self.answered += 1


async def udp_flow(address, port, messages, gap, made):
    transport, asker = await asyncio.get_running_loop().create_datagram_endpoint(Asker, remote_addr=(address, port))
    own = transport.get_extra_info("sockname")
    for _ in range(messages):
        transport.sendto(bytes(SIZE))
        await asyncio.sleep(gap)
    for _ in range(500):
        if asker.answered >= messages:
            break
        await asyncio.sleep(0.01)
    made.append({"protocol": "udp", "port": own[1], "sent": messages, "answered": asker.answered})
    transport.close()


async def run(address, tcp_port, udp_port, tcp_flows, udp_flows, messages, gap_ms):
    made = []
    room = asyncio.Semaphore(50)

    async def one(flow, port):
        async with room:
            await flow(address, port, messages, gap_ms / 1000, made)

    await asyncio.gather(*(one(tcp_flow, tcp_port) for _ in range(tcp_flows)), *(one(udp_flow, udp_port) for _ in range(udp_flows)))
    print(json.dumps(made), flush=True)


async def stream(address, port, first_port, flows, rate, seconds):
    loop = asyncio.get_running_loop()
    own = [await loop.create_datagram_endpoint(Asker, local_addr=("0.0.0.0", first_port + i), remote_addr=(address, port)) for i in range(flows)]
    print(json.dumps("ready"), flush=True)
    start = loop.time()
    for n in range(rate * seconds):
        for transport, _ in own:
            transport.sendto(n.to_bytes(8, "big") + bytes(SIZE - 8))
        await asyncio.sleep(max(0, start + (n + 1) / rate - loop.time()))


if sys.argv[1] == "stream":
    asyncio.run(stream(sys.argv[2], *map(int, sys.argv[3:8])))
elif sys.argv[1] == "serve":
    asyncio.run(serve(*map(int, sys.argv[2:4])))
else:
    asyncio.run(run(sys.argv[2], *map(int, sys.argv[3:9])))
