import type { IncomingMessage } from 'node:http'
import { announcesMoreThan } from './request-body.ts'

/**
 * The whole body of a request, however it is framed; `too_large` without reading on after `maxBytes`, `aborted` when the
 * client left before it was complete.
 */
export function readWholeBody(request: IncomingMessage, maxBytes: number): Promise<Buffer | 'too_large' | 'aborted'> {
  if (announcesMoreThan(request, maxBytes)) return Promise.resolve('too_large')
  if (request.destroyed) return Promise.resolve('aborted')
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
