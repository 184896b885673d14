import type { IncomingMessage } from 'node:http'

/** Node drops header lines silently beyond some number; we refuse long before that. */
const MAX_HEADER_LINES = 100
/** Headers of which two lines would mean two different requests to two different readers; each has a bit. */
const SINGLE_VALUE = new Map([
  'authorization', 'content-length', 'content-type', 'cookie', 'dpop', 'host', 'last-event-id', 'mcp-method', 'mcp-name',
  'mcp-protocol-version', 'mcp-session-id', 'origin', 'sec-fetch-dest', 'sec-fetch-site', 'transfer-encoding',
].map((name, index) => [name, 1 << index])) // biome-ignore format: a plain list reads best in lines
/** A request target in origin form (RFC 9112 §3.2.1) without anything that two parsers could read differently. */
const TARGET = /^\/[\x21\x24-\x3b\x3d\x40-\x5b\x5d\x5f\x61-\x7a\x7e]*(\?[\x21\x24-\x5b\x5d-\x7e]*)?$/

/** Why a request is refused before anything looks at it. */
export interface Refused {
  readonly status: 400 | 421 | 431
  readonly problem: string
}

/**
 * The refusals that come before routing: too many header lines (431), doubled single-value headers and odd request
 * targets (400), a Host that is not ours (421: DNS rebinding). Undefined when the request may go on.
 */
export function guardRequest(request: IncomingMessage, hosts: ReadonlySet<string>): Refused | undefined {
  const { rawHeaders } = request
  if (rawHeaders.length / 2 > MAX_HEADER_LINES) return { status: 431, problem: 'too many header lines' }
  // As many names as lines: no name is there twice.
  if (Object.keys(request.headers).length !== rawHeaders.length / 2 && repeatsOne(rawHeaders))
    return { status: 400, problem: 'a header occurs more than once' }
  // Node's parser lets a request line through that calls itself HTTP/2.0 (RFC 9112 §2.3, B233).
  if (request.httpVersionMajor !== 1) return { status: 400, problem: 'only HTTP/1.0 and HTTP/1.1 are spoken here' }
  if (!TARGET.test(request.url ?? '')) return { status: 400, problem: 'the request target is not well-formed' }
  const { upgrade, host = '', 'transfer-encoding': coding } = request.headers
  if (upgrade !== undefined && /websocket/i.test(upgrade))
    return { status: 400, problem: 'WebSocket is not spoken here' }
  if (coding !== undefined && coding.toLowerCase() !== 'chunked')
    return { status: 400, problem: 'only chunked transfer coding is understood' }
  if (!hosts.has(host) && !hosts.has(host.toLowerCase()))
    return { status: 421, problem: 'this gateway does not answer for that host' }
  return undefined
}

function repeatsOne(rawHeaders: readonly string[]): boolean {
  let seen = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const bit = SINGLE_VALUE.get((rawHeaders[index] ?? '').toLowerCase()) ?? 0
    if ((seen & bit) !== 0) return true
    seen |= bit
  }
  return false
}

/** The Host values that mean this gateway: its public authority, with and without a default port. */
export function acceptedHosts(publicUrl: string): ReadonlySet<string> {
  const url = new URL(publicUrl)
  const hosts = new Set([url.host])
  if (url.port === '') hosts.add(`${url.hostname}:${url.protocol === 'https:' ? 443 : 80}`)
  return hosts
}
