import { fail, ok, type Result } from './result.ts'

/** What a redirect URI says about who receives the answer; shown on the consent page. */
export type RedirectTarget =
  | { readonly kind: 'https'; readonly host: string }
  | { readonly kind: 'loopback'; readonly host: string }
  | { readonly kind: 'private-scheme'; readonly scheme: string }

const MAX_LENGTH = 2000
/** RFC 3986 characters only, without `#` (RFC 6749 §3.1.2), `*` (no wildcards) and everything a parser would repair. */
const URI_CHARACTERS = /^[A-Za-z0-9\-._~:/?[\]@!$&'()+,;=%]+$/
const SCHEME = /^([a-z][a-z0-9+.-]*):/
const AUTHORITY = /^[a-z][a-z0-9+.-]*:\/\/([^/?]*)/
const LOOPBACK = /^http:\/\/(localhost|127\.0\.0\.1|\[::1\])(?::([0-9]{1,5}))?([/?].*)?$/
/** `.` and `..` as whole path segments, plain or percent-encoded. */
const DOT_SEGMENT = /\/(?:\.|%2e){1,2}(?:[/?]|$)/i

/** Schemes that run code, read local files or start system handlers when a browser is sent to them. */
const DANGEROUS_SCHEMES = new Set(
  `about blob chrome chrome-extension content data edge file filesystem ftp intent jar javascript livescript mailto
   mhtml mocha moz-extension opera resource search search-ms sms tel urn vbscript view-source ws wss wyciwyg`.split(
    /\s+/,
  ),
)

/**
 * Whether `uri` may be registered (RFC 7591 §2, RFC 8252 §7, RFC 9700 §4.1): https anywhere, http on a loopback host,
 * or a private-use scheme. The string is judged and kept verbatim, never re-serialised.
 * Fails with a constant sentence that names the broken rule.
 */
export function acceptRedirectUri(uri: string): Result<RedirectTarget, string> {
  if (uri.length > MAX_LENGTH) return fail('a redirect URI may have 2000 characters at most')
  if (!URI_CHARACTERS.test(uri))
    return fail('a redirect URI may not hold a fragment, a wildcard, spaces or other non-URI characters')
  const scheme = SCHEME.exec(uri)?.[1]
  if (scheme === undefined) return fail('a redirect URI must be absolute, with a lower-case scheme')
  if (DANGEROUS_SCHEMES.has(scheme) || scheme.startsWith('ms-'))
    return fail('this scheme is not allowed in a redirect URI')
  if (DOT_SEGMENT.test(uri)) return fail('a redirect URI may not hold dot segments')
  if (uri.replaceAll(/%[0-9a-fA-F]{2}/g, '').includes('%'))
    return fail('a redirect URI may not hold broken percent-encoding')
  const authority = AUTHORITY.exec(uri)?.[1]
  if (authority?.includes('@')) return fail('a redirect URI may not hold user information')
  if (scheme === 'https') return acceptHttps(uri, authority)
  if (scheme === 'http') {
    const loopback = parseLoopback(uri)
    return loopback
      ? ok({ kind: 'loopback', host: loopback.host })
      : fail('http is allowed only on 127.0.0.1, [::1] and localhost')
  }
  return uri.length > scheme.length + 1
    ? ok({ kind: 'private-scheme', scheme })
    : fail('a redirect URI needs more than a scheme')
}

/**
 * The registered URI that `presented` matches, or undefined. Exact string comparison (RFC 9700 §4.1.3) with one
 * exception: the port of an http loopback URI is free (RFC 8252 §7.3), for `localhost` too because real clients need it.
 */
export function matchRedirectUri(registered: readonly string[], presented: string): string | undefined {
  if (registered.includes(presented)) return presented
  const wanted = parseLoopback(presented)
  if (!wanted) return undefined
  return registered.find((candidate) => {
    const known = parseLoopback(candidate)
    return known !== undefined && known.host === wanted.host && known.rest === wanted.rest
  })
}

/** Who would receive the answer; `uri` must have passed {@link acceptRedirectUri}. Throws on one that would not. */
export function describeRedirectUri(uri: string): RedirectTarget {
  const accepted = acceptRedirectUri(uri)
  if (!accepted.ok) throw new Error('a redirect URI that was never accepted')
  return accepted.value
}

const ANSWER_PARAMETERS = new Set(['code', 'state', 'iss', 'error', 'error_description', 'error_uri'])

/**
 * `uri` with the answer's parameters appended to its own query (RFC 6749 §3.1.2). Parameters of the same names that the
 * registered URI carried are dropped, so that each occurs exactly once; all other bytes stay as registered.
 */
export function withAnswer(uri: string, answer: Readonly<Record<string, string | undefined>>): string {
  const mark = uri.indexOf('?')
  const base = mark === -1 ? uri : uri.slice(0, mark)
  const kept = (mark === -1 ? '' : uri.slice(mark + 1))
    .split('&')
    .filter((pair) => pair !== '' && !ANSWER_PARAMETERS.has(decodeKey(pair)))
  const added = Object.entries(answer).flatMap(([name, value]) =>
    value === undefined ? [] : [`${encodeURIComponent(name)}=${encodeURIComponent(value)}`],
  )
  return `${base}?${[...kept, ...added].join('&')}`
}

function acceptHttps(uri: string, authority: string | undefined): Result<RedirectTarget, string> {
  if (!authority || !URL.canParse(uri)) return fail('an https redirect URI needs a host')
  const { hostname, host, port } = new URL(uri)
  // A host that the parser had to repair (0x7f.1, upper case) is not the string that people will be shown.
  const raw = authority.replace(/:[0-9]*$/, '')
  if (hostname !== raw) return fail('a redirect URI must write its host in canonical form')
  return ok({ kind: 'https', host: port ? host : hostname })
}

function parseLoopback(uri: string): { host: string; rest: string } | undefined {
  const match = LOOPBACK.exec(uri)
  if (!match?.[1] || !URI_CHARACTERS.test(uri)) return undefined
  const port = match[2]
  if (port !== undefined && (Number(port) < 1 || Number(port) > 65535)) return undefined
  return { host: match[1], rest: match[3] ?? '' }
}

function decodeKey(pair: string): string {
  const name = pair.split('=', 1)[0] ?? ''
  try {
    return decodeURIComponent(name.replaceAll('+', ' '))
  } catch {
    return name
  }
}
