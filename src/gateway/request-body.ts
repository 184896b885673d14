import type { IncomingMessage } from 'node:http'
import { type Readable, Transform } from 'node:stream'

/** A client's request body on its way to the MCP server. */
export interface StreamedBody {
  readonly stream: Readable
  /** Reads no further from the client and ends the stream with an error. */
  stop(): void
}

/** Thrown into a body that exceeds its limit. */
export class BodyTooLargeError extends Error {
  override readonly name = 'BodyTooLargeError'
}

/**
 * The body of `request` as a stream of its own, so that whoever destroys it does not destroy the client's connection,
 * which still has to carry the answer. Fails with {@link BodyTooLargeError} after `maxBytes`.
 */
export function streamedBody(request: IncomingMessage, maxBytes: number): StreamedBody {
  let seen = 0
  const stream = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      seen += chunk.length
      if (seen > maxBytes) done(new BodyTooLargeError())
      else done(null, chunk)
    },
  })
  // Whoever sends the stream learns of an error; without a listener of ours a late one would end the process.
  stream.on('error', () => request.unpipe(stream))
  request.pipe(stream)
  return {
    stream,
    stop() {
      request.unpipe(stream)
      stream.destroy()
    },
  }
}

/** Whether the client announced more than `maxBytes` (RFC 9110 §8.6). */
export function announcesMoreThan(request: IncomingMessage, maxBytes: number): boolean {
  return Number(request.headers['content-length'] ?? 0) > maxBytes
}

/**
 * Whether nothing of the request is still to come: what did not arrive before its answer would be read as the next request
 * (B235). Right behind the head, Node has a whole body but does not call the request complete yet.
 */
export function hasArrived(request: IncomingMessage): boolean {
  return request.complete || request.readableLength === Number(request.headers['content-length'] ?? Number.NaN)
}
