import type { IncomingMessage } from 'node:http'
import { giveBack } from './http1/give-back.ts'
import type { StreamedBody } from './http1/request.ts'

/**
 * The body of `request` as it goes to the MCP server, up to `maxBytes`. A known length frames it; Node has already checked
 * that exactly so many bytes come (RFC 9112 §6.3).
 */
export function streamedBody(request: IncomingMessage, maxBytes: number): StreamedBody {
  const length = request.headers['content-length']
  const body = { stream: request, maxBytes, release: giveBack }
  return length === undefined ? body : { ...body, length: Number(length) }
}

/** How long the body is to be (RFC 9112 §6.3); undefined when only its end will tell. */
export function announcedBytes(request: IncomingMessage): number | undefined {
  if (request.headers['transfer-encoding'] !== undefined) return undefined
  return Number(request.headers['content-length'] ?? 0)
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
