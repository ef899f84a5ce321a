/** One-way frames in the body of a request: each with its length, 4 bytes with the highest first, before it. */
import { Buffer } from 'node:buffer';
import { malformed } from '../../model/byte-reader.js';

const LENGTH_BYTES = 4;

export function sizeInBody(frame: Uint8Array): number {
  return LENGTH_BYTES + frame.length;
}

export function writePostedBody(frames: readonly Uint8Array[]): Buffer {
  const body = Buffer.allocUnsafe(frames.reduce((bytes, frame) => bytes + sizeInBody(frame), 0));
  let at = 0;
  for (const frame of frames) {
    body.writeUInt32BE(frame.length, at);
    body.set(frame, at + LENGTH_BYTES);
    at += sizeInBody(frame);
  }
  return body;
}

/** Views of `body`. @throws DkvError `DKV_PROTOCOL` if it is not made of whole frames of at most `frameBytesMax` */
export function readPostedBody(body: Buffer, frameBytesMax: number): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at < body.length;) {
    const length = at + LENGTH_BYTES <= body.length ? body.readUInt32BE(at) : Infinity;
    const start = at + LENGTH_BYTES;
    if (length > frameBytesMax || start + length > body.length) {
      throw malformed('posted frames are cut or too large');
    }
    frames.push(body.subarray(start, start + length));
    at = start + length;
  }
  return frames;
}
