import { ok, type Result } from '../domain/result.ts'
import { type Fault, fault } from './fault.ts'

/** RFC 9110 §5.6.2. */
const TOKEN = /^[A-Za-z0-9!#$%&'*+\-.^_`|~]{1,100}$/
/** Hop-by-hop and framing headers (RFC 9110 §7.6.1, RFC 9112 §6) and those that carry MCP itself. */
const TAKEN = new Set(
  `accept connection content-encoding content-length content-type expect host http2-settings keep-alive last-event-id
   proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding upgrade via`.split(/\s+/),
)

/** The lower-case name of a header that `inject` may set. */
export function parseInjectedName(text: string): Result<string, Fault> {
  const name = text.toLowerCase()
  if (!TOKEN.test(text)) return fault('is not a header name', 'write a header name such as Authorization or X-Api-Key')
  return TAKEN.has(name) || name.startsWith('mcp-')
    ? fault('is a header that the connection or the MCP protocol needs', 'choose another header')
    : ok(name)
}
