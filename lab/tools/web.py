"""Real TCP connections: `serve PORT` and `load HOST PORT CONNECTIONS_PER_S SECONDS [RESPONSE_BYTES]`.

Each connection is one HTTP request with one response. The load ends by itself and prints one line of JSON.
"""
import asyncio
import json
import sys
import time


async def answer(reader, writer):
    try:
        request = await reader.readuntil(b"\r\n\r\n")
        size = int(request.split(b" ")[1].strip(b"/") or b"4000")
        writer.write(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
        await writer.drain()
    except (OSError, asyncio.IncompleteReadError, ValueError):
        pass
    finally:
        writer.close()


async def serve(port):
    server = await asyncio.start_server(answer, "0.0.0.0", port, backlog=4096)
    print(json.dumps({"listening": port}), flush=True)
    ended = asyncio.Event()
    # The input closes when whoever started this is done with it.
    asyncio.get_running_loop().add_reader(0, lambda: sys.stdin.readline() or ended.set())
    async with server:
        await ended.wait()


async def load(host, port, rate, seconds, size):
    times, failed, tasks = [], 0, set()

    async def one():
        nonlocal failed
        start = time.monotonic()
        try:
            async with asyncio.timeout(5):
                reader, writer = await asyncio.open_connection(host, port)
                writer.write(b"GET /%d HTTP/1.0\r\n\r\n" % size)
                body = await reader.read()
                while chunk := await reader.read(65536):
                    body += chunk
                writer.close()
                if len(body) < size:
                    raise OSError("short")
            times.append(time.monotonic() - start)
        except (OSError, asyncio.TimeoutError):
            failed += 1

    start = time.monotonic()
    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, start + number / rate - time.monotonic()))
        if len(tasks) < 2000:
            task = asyncio.create_task(one())
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        else:
            failed += 1
    if tasks:
        await asyncio.wait(tasks)
    times.sort()
    at = lambda share: round(times[min(len(times) - 1, int(len(times) * share))] * 1000, 1) if times else None
    print(json.dumps({"ok": len(times), "failed": failed, "p50Ms": at(0.5), "p99Ms": at(0.99)}), flush=True)


if sys.argv[1] == "serve":
    asyncio.run(serve(int(sys.argv[2])))
else:
    asyncio.run(load(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), float(sys.argv[5]), int(sys.argv[6]) if len(sys.argv) > 6 else 4000))
