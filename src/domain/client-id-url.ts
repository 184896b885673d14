import { fail, ok, type Result } from './result.ts'

/** A client id that is the address of a metadata document (draft-ietf-oauth-client-id-metadata-document §3). */
export interface ClientIdUrl {
  /** As presented: the identity of the client, compared as a string and never re-serialised. */
  readonly url: string
  /** Without port. */
  readonly hostname: string
  /** With the port unless it is 443. */
  readonly host: string
}

const MAX_LENGTH = 2048
/** RFC 3986 characters of host and path; no query, no fragment, no user information, nothing that a parser would repair. */
const HTTPS_URL = /^https:\/\/([A-Za-z0-9\-._~:[\]]+)(\/[A-Za-z0-9\-._~:@!$&'()*+,;=%/]+)$/
/** `.` and `..` as whole path segments; their encoded forms are refused with everything in {@link DISGUISED}. */
const DOT_SEGMENT = /\/\.{1,2}(?:\/|$)/
/** Broken percent-encoding, and encodings of controls, dots, slashes and backslashes, which servers decode differently. */
const DISGUISED = /%(?![0-9a-fA-F]{2})|%(?:[01][0-9a-f]|7f|2e|2f|5c)/i

/** Whether `clientId` claims to be the address of a metadata document; whether a good one says {@link parseClientIdUrl}. */
export function isClientIdUrl(clientId: string): boolean {
  return /^https:/i.test(clientId)
}

/**
 * The address in a client id, judged as the string that it is: parsers repair most of what is refused here, and then two
 * strings would be one client. Fails with a constant sentence that names the broken rule.
 */
export function parseClientIdUrl(clientId: string): Result<ClientIdUrl, string> {
  if (clientId.length > MAX_LENGTH) return fail('a client id may have 2048 characters at most')
  const path = HTTPS_URL.exec(clientId)?.[2]
  if (path === undefined)
    return fail('a client id must be an https URL with a host and a path, without query or fragment')
  if (DOT_SEGMENT.test(path)) return fail('a client id may not hold dot segments')
  if (DISGUISED.test(path)) return fail('a client id may not hold percent-encoded dots, slashes or controls')
  const url = URL.canParse(clientId) ? new URL(clientId) : undefined
  if (url?.href !== clientId || url.hostname.endsWith('.'))
    return fail('a client id must be written in its canonical form')
  return ok({ url: clientId, hostname: url.hostname, host: url.host })
}
