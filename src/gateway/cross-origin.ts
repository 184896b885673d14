import type { IncomingMessage } from 'node:http'

const LOOPBACK_ORIGIN = /^http:\/\/(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?$/
/** Browsers cache the answer to a preflight this long, in seconds. */
const PREFLIGHT_MAX_AGE = '600'
const DEFAULT_ALLOWED_HEADERS =
  'Authorization, Content-Type, Accept, MCP-Protocol-Version, Mcp-Session-Id, Mcp-Method, Mcp-Name, Last-Event-ID, DPoP'
/** RFC 9110 §5.1: a list of field names, which is echoed. */
const HEADER_LIST = /^[A-Za-z0-9-]+( *, *[A-Za-z0-9-]+)*$/
const EXPOSED_HEADERS = 'WWW-Authenticate, Mcp-Session-Id, MCP-Protocol-Version, X-Request-Id, Retry-After'

/** Which web pages may call the routes (MCP transports: Origin must be validated). */
export interface CrossOrigin {
  /** No Origin, our own, a loopback page (the Inspector) or one that the operator listed. */
  allows(origin: string | undefined): boolean
  /** Headers for every answer on a route, refusals included, so that pages can read challenges; few where no page asks. */
  headers(origin: string | undefined): Record<string, string>
}

export function createCrossOrigin(publicUrl: string, allowedOrigins: readonly string[]): CrossOrigin {
  const listed = new Set([publicUrl, ...allowedOrigins])
  const allows = (origin: string | undefined) =>
    origin === undefined || listed.has(origin) || LOOPBACK_ORIGIN.test(origin)
  return {
    allows,
    headers: (origin) =>
      origin === undefined || !allows(origin)
        ? { vary: 'Origin' }
        : { vary: 'Origin', 'access-control-allow-origin': origin, 'access-control-expose-headers': EXPOSED_HEADERS },
  }
}

/** Whether this is a preflight (Fetch §4.8); it carries no credentials and never reaches the MCP server. */
export function isPreflight(request: IncomingMessage): boolean {
  return (
    request.method === 'OPTIONS' &&
    request.headers.origin !== undefined &&
    request.headers['access-control-request-method'] !== undefined
  )
}

/** What a preflight on a route is told; requested header names are echoed so that `Mcp-Param-*` may be sent. */
export function preflightHeaders(request: IncomingMessage): Record<string, string> {
  const asked = request.headers['access-control-request-headers']
  return {
    'access-control-allow-methods': 'POST, GET, DELETE',
    'access-control-allow-headers': asked !== undefined && HEADER_LIST.test(asked) ? asked : DEFAULT_ALLOWED_HEADERS,
    'access-control-max-age': PREFLIGHT_MAX_AGE,
  }
}
