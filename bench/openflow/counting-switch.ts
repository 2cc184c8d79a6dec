/** A switch that only counts: answers features and barriers, reads flow-mods as fast as they come. Sends its port to its parent. */
import net from "node:net";

const type = { hello: 0, echoRequest: 2, featuresRequest: 5, barrierRequest: 20 } as const;
let flowMods = 0;

const server = net.createServer((socket) => {
  let held = Buffer.alloc(0);
  const reply = (request: Buffer, number: number, length: number): void => {
    const bytes = Buffer.alloc(length);
    bytes[0] = 4;
    bytes[1] = number;
    bytes.writeUInt16BE(length, 2);
    request.copy(bytes, 4, 4, 8);
    socket.write(bytes);
  };
  socket.on("error", () => undefined);
  socket.on("data", (chunk) => {
    const bytes = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    let at = 0;
    while (bytes.length - at >= 8) {
      const length = bytes.readUInt16BE(at + 2);
      if (bytes.length - at < length) break;
      const number = bytes[at + 1];
      if (number === 14) flowMods++;
      else if (number === type.hello) reply(bytes.subarray(at), type.hello, 8);
      else if (number === type.featuresRequest) reply(bytes.subarray(at), 6, 32);
      else if (number === type.barrierRequest) {
        reply(bytes.subarray(at), 21, 8);
        process.send?.({ flowMods });
      } else if (number === type.echoRequest) reply(bytes.subarray(at), 3, 8);
      at += length;
    }
    held = Buffer.from(bytes.subarray(at));
  });
});
server.listen(0, "127.0.0.1", () => process.send?.({ port: (server.address() as net.AddressInfo).port }));
