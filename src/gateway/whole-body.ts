import type { IncomingMessage } from 'node:http'
import { announcesMoreThan } from './request-body.ts'

/**
 * The whole body of a request, however it is framed; `too_large` without reading on after `maxBytes`, `aborted` when the
 * client left before it was complete. A body that is there already is returned at once.
 */
export function readWholeBody(request: IncomingMessage, maxBytes: number): WholeBody | Promise<WholeBody> {
  if (announcesMoreThan(request, maxBytes)) return 'too_large'
  if (request.destroyed) return 'aborted'
  const length = Number(request.headers['content-length'] ?? 0)
  if (length > 0 && request.readableLength === length) return request.read(length) as Buffer
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let bytes = 0
    function take(chunk: Buffer): void {
      bytes += chunk.length
      chunks.push(chunk)
      if (bytes <= maxBytes) return
      request.off('data', take).pause()
      resolve('too_large')
    }
    request.on('data', take)
    request.once('end', () => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)))
    request.once('close', () => resolve('aborted'))
    request.once('error', () => resolve('aborted'))
  })
}

/** `too_large` and `aborted`: there is none. */
export type WholeBody = Buffer | 'too_large' | 'aborted'
