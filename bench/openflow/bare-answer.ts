/**
 * The floor under every figure of latency: a server that decodes nothing and answers each packet-in of 1.3 with bytes made
 * before and the frame copied in. What it takes is Node's sockets, the kernel and the load generator. Takes the port.
 */
import net from "node:net";

const frameLength = 60;
const type = { hello: 0, featuresRequest: 5, packetIn: 10, packetOut: 13, flowMod: 14 } as const;

function message(number: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  bytes[0] = 4;
  bytes[1] = number;
  bytes.writeUInt16BE(length, 2);
  return bytes;
}
const features = message(type.featuresRequest, 8);
const answer = Buffer.concat([message(type.flowMod, 80), message(type.packetOut, 40 + frameLength)]);
answer.writeUInt16BE(40 + frameLength, 82);

net
  .createServer((socket) => {
    socket.setNoDelay(true);
    socket.on("error", () => undefined);
    socket.on("data", (chunk) => {
      const replies: Buffer[] = [];
      for (let at = 0; chunk.length - at >= 8; at += chunk.readUInt16BE(at + 2)) {
        if (chunk[at + 1] === type.hello) replies.push(message(type.hello, 8), features);
        if (chunk[at + 1] !== type.packetIn) continue;
        const end = at + chunk.readUInt16BE(at + 2);
        const reply = Buffer.from(answer);
        chunk.copy(reply, reply.length - frameLength, end - frameLength, end);
        replies.push(reply);
      }
      if (replies.length > 0) socket.write(Buffer.concat(replies));
    });
  })
  .listen(Number(process.argv[2]), "127.0.0.1");
