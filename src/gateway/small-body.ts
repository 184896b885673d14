import type { IncomingMessage } from 'node:http'

/** Bodies up to this size are read before forwarding: one write instead of a pipe, and they can be sent once more. */
const SMALL_BODY_BYTES = 64 * 1024

/**
 * The body of a request whose announced length is small; `stream` for one that is large or of unknown length, undefined
 * when there is none (RFC 9112 §6.3), `aborted` when the client left before it was complete. A body that is there already
 * is returned at once.
 */
export function readSmallBody(request: IncomingMessage): SmallBody | Promise<SmallBody> {
  if (request.headers['transfer-encoding'] !== undefined) return 'stream'
  const length = Number(request.headers['content-length'] ?? 0)
  if (length === 0) return undefined
  if (length > SMALL_BODY_BYTES) return 'stream'
  // Its events are over: nothing would ever settle this.
  if (request.destroyed) return 'aborted'
  // It came with its head, as bodies of this size do.
  if (request.readableLength === length) return request.read(length) as Buffer
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.once('end', () => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)))
    request.once('close', () => resolve('aborted'))
    request.once('error', () => resolve('aborted'))
  })
}

type SmallBody = Buffer | 'stream' | 'aborted' | undefined
