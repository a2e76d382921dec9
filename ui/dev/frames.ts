/** As much of RFC 6455 as one page in development needs: text frames below 2^32 bytes, and close. */
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

export function accept(
  request: IncomingMessage,
  stream: Duplex,
  said: (text: string) => void,
): (text: string) => void {
  const key = createHash('sha1')
    .update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest('base64');
  stream.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${key}\r\n\r\n`,
  );
  let pending = Buffer.alloc(0);
  stream.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    for (;;) {
      if (pending.length < 6) return;
      const short = pending[1]! & 127;
      const extra = short === 126 ? 2 : short === 127 ? 8 : 0;
      if (pending.length < 6 + extra) return;
      const length =
        short === 126 ? pending.readUInt16BE(2) : short === 127 ? Number(pending.readBigUInt64BE(2)) : short;
      const start = 6 + extra;
      if (pending.length < start + length) return;
      const mask = pending.subarray(start - 4, start);
      const payload = Buffer.from(pending.subarray(start, start + length)).map((byte, i) => byte ^ mask[i % 4]!);
      const opcode = pending[0]! & 15;
      pending = pending.subarray(start + length);
      if (opcode === 8) stream.end();
      if (opcode === 1) said(payload.toString());
    }
  });
  stream.on('error', () => stream.destroy());
  return (text) => {
    if (stream.destroyed) return;
    const body = Buffer.from(text);
    const head = Buffer.alloc(body.length < 126 ? 2 : body.length < 65_536 ? 4 : 10);
    head[0] = 0x81;
    if (head.length === 2) head[1] = body.length;
    else if (head.length === 4) {
      head[1] = 126;
      head.writeUInt16BE(body.length, 2);
    } else {
      head[1] = 127;
      head.writeBigUInt64BE(BigInt(body.length), 2);
    }
    stream.write(Buffer.concat([head, body]));
  };
}
