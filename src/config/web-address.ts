import { acceptRedirectUri } from '../domain/redirect-uri.ts'
import { ok, type Result } from '../domain/result.ts'
import { type Fault, fault } from './fault.ts'
import { isLoopbackHost } from './network.ts'

/** Hosts whose every character can stand inside a quoted header parameter. */
const HOST = /^([a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])$/

/** The issuer (RFC 8414 §2): an origin, written exactly as it will be published. */
export function parsePublicUrl(text: string): Result<string, Fault> {
  const fix = 'write scheme and host only, such as https://mcp.example.com'
  const url = parseHttpUrl(text)
  if (!url) return fault('is not an http or https URL', fix)
  const broken = findExtras(url, text)
  if (broken) return fault(broken, fix)
  if (text === `${url.origin}/`) return fault('ends with a slash', 'remove the slash at the end')
  if (url.pathname !== '/') return fault('has a path', `${fix}; the routes bring their paths`)
  if (url.protocol === 'http:' && !isLoopbackHost(url.hostname))
    return fault(
      'is http, so tokens would travel in the clear',
      'use https; http is for 127.0.0.1, [::1] and localhost',
    )
  if (text !== url.origin || !HOST.test(url.hostname))
    return fault('is not in canonical form', 'write the host in lower case (IDNs as xn--…), without the default port')
  return ok(text)
}

/** The issuer identifier of an OpenID provider (OpenID Connect Discovery §3): https, or http on loopback. */
export function parseIssuer(text: string): Result<string, Fault> {
  const fix = 'write the issuer as the provider publishes it, such as https://login.example.com/realms/main'
  const url = parseHttpUrl(text)
  if (!url) return fault('is not an https URL', fix)
  const broken = findExtras(url, text)
  if (broken) return fault(broken, fix)
  if (url.pathname.includes('/.well-known/'))
    return fault('is the address of the metadata', 'leave out /.well-known/… at the end')
  return url.protocol === 'https:' || isLoopbackHost(url.hostname)
    ? ok(text)
    : fault('is http, so anybody on the way could sign users in', 'use https; http is for loopback addresses')
}

/** Where a route's MCP server is: http or https, with a path, without anything that a request would lose or leak. */
export function parseUpstream(text: string): Result<URL, Fault> {
  const fix = 'write the address of the MCP server, such as http://127.0.0.1:8082/mcp'
  const url = parseHttpUrl(text)
  if (!url) return fault('is not an http or https URL', fix)
  const broken = findExtras(url, text)
  return broken ? fault(broken, `${fix}; credentials belong into credential and inject`) : ok(url)
}

/** The base address of an OTLP/HTTP receiver (OTLP specification: endpoint URLs). */
export function parseCollector(text: string): Result<string, Fault> {
  const fix = 'write the address of the collector, such as http://127.0.0.1:4318'
  const url = parseHttpUrl(text)
  if (!url) return fault('is not an http or https URL', fix)
  const broken = findExtras(url, text)
  if (broken) return fault(broken, `${fix}; credentials belong into headers`)
  return url.pathname.endsWith('/v1/traces') ? fault('ends with /v1/traces', 'leave it out: it is added') : ok(text)
}

/** A page that people are sent to: https, or http on loopback. */
export function parseLink(text: string): Result<string, Fault> {
  const url = parseHttpUrl(text)
  return url && !text.includes('@') && (url.protocol === 'https:' || isLoopbackHost(url.hostname))
    ? ok(text)
    : fault('is not a page that people can be sent to', 'write an https address')
}

/** Where tokens are tried: they travel there, so https, or http on loopback. */
export function parseProbe(text: string): Result<string, Fault> {
  const url = parseHttpUrl(text)
  const isSafe = url !== undefined && !text.includes('#') && url.username === '' && url.password === ''
  return isSafe && (url.protocol === 'https:' || isLoopbackHost(url.hostname))
    ? ok(text)
    : fault(
        'is not an address that a token may be sent to',
        'write an https address, such as https://api.github.com/user',
      )
}

/** A browser origin (RFC 6454 §6.2) that may call the routes; neither `*` nor `null`. */
export function parseAllowedOrigin(text: string): Result<string, Fault> {
  const fix = 'name each origin as the browser sends it, such as https://app.example.com'
  const url = parseHttpUrl(text)
  if (text === '*' || text === 'null') return fault('would let every web page call the routes', fix)
  return url && url.origin === text ? ok(text) : fault('is not an origin', fix)
}

/** What clients may register when registration is `approved`: a redirect URI, an origin, or a scheme with its colon. */
export function parseApprovedRedirect(text: string): Result<string, Fault> {
  const probe = /^[a-z][a-z0-9+.-]*:$/.test(text) ? `${text}/callback` : text
  const isWhole = text !== 'http:' && text !== 'https:' && !text.endsWith('/')
  return isWhole && acceptRedirectUri(probe).ok
    ? ok(text)
    : fault(
        'is not something that a client could register',
        'write a redirect URI, an origin such as https://claude.ai or http://localhost, or a scheme such as cursor:',
      )
}

/** An endpoint of a provider, where secrets travel: https, or http on loopback. May hold `{client_id}`. */
export function parseProviderEndpoint(text: string): Result<string, Fault> {
  return parseProbe(text.replaceAll('{client_id}', 'client')).ok
    ? ok(text)
    : fault(
        'is not an address that secrets may be sent to',
        'write an https address, such as https://login.example.com/token',
      )
}

/** A host that publishes metadata documents, as it stands in their addresses; without a port it means every port. */
export function parseDocumentHost(text: string): Result<string, Fault> {
  const url =
    /^[a-z0-9.:[\]_-]+$/.test(text) && URL.canParse(`https://${text}/`) ? new URL(`https://${text}/`) : undefined
  return url?.host === text && !url.hostname.endsWith('.')
    ? ok(text)
    : fault('is not a host', 'write the host alone, in lower case, such as claude.ai or app.example.com:8443')
}

function parseHttpUrl(text: string): URL | undefined {
  // The URL parser trims, drops tabs and line breaks, and turns \ into /: none of that was meant.
  if (!/^https?:\/\/[^/\\]/.test(text) || /[\s\\\p{C}]/u.test(text) || !URL.canParse(text)) return undefined
  return new URL(text)
}

/** Looks at the text too: the parser hides an empty query, fragment or user name. */
function findExtras(url: URL, text: string): string | undefined {
  const authority = text.split('/')[2] ?? ''
  if (url.username !== '' || url.password !== '' || authority.includes('@')) return 'holds a user name or a password'
  if (text.includes('#')) return 'holds a fragment'
  return text.includes('?') ? 'holds a query' : undefined
}
