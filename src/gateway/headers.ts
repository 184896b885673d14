import type { IncomingHttpHeaders } from 'node:http'

/** Header lines by lower-case name; an array where a name has several lines. */
export type HeaderLines = Record<string, string | string[]>

/**
 * The headers towards the MCP server: every end-to-end header of the client, byte for byte, except the families that
 * carry connections, credentials or identities (RFC 9110 §7.6, P-05, P-06, P-08, P-10). `injected` (lower-case names)
 * is added last and always wins. `host` and the framing of the body are left to the forwarder.
 */
export function upstreamHeaders(
  received: IncomingHttpHeaders,
  injected: Readonly<Record<string, string>>,
  viaPseudonym = 'gatehouse',
): HeaderLines {
  const headers: HeaderLines = {}
  const nominated = namesInConnection(received.connection)
  for (const name in received) {
    const value = received[name]
    if (value === undefined || !requestVerdicts.passes(name) || nominated?.has(name)) continue
    headers[name] = value
  }
  // The same for ours: under a name that folds to the same one, a client would speak for us (B199).
  for (const name in injected) if (!PLAIN_NAME.test(name)) delete headers[name.replaceAll(/[^a-z0-9]/g, '-')]
  headers['accept-encoding'] = 'identity'
  // Those who forwarded it before us stay named, so that they notice a request that comes back (RFC 9110 §7.6.3).
  headers.via = received.via === undefined ? `1.1 ${viaPseudonym}` : `${received.via}, 1.1 ${viaPseudonym}`
  return Object.assign(headers, injected)
}

/**
 * The headers towards the client: what the MCP server answered, without anything that speaks for our origin, its
 * connections or its own sign-in (P-25), with `extra` on top. Answers are never cached unless the server says so (P-89),
 * event streams are not to be buffered (P-61), and what a browser could render is put into a sandbox (B211).
 */
export function clientHeaders(received: IncomingHttpHeaders, extra: Readonly<Record<string, string>>): HeaderLines {
  const headers: HeaderLines = {}
  const nominated = namesInConnection(received.connection)
  for (const name in received) {
    const value = received[name]
    if (value === undefined || !responseVerdicts.passes(name) || nominated?.has(name)) continue
    headers[name] = value
  }
  const contentType = received['content-type']
  headers['x-content-type-options'] = 'nosniff'
  if (isEventStream(contentType)) {
    headers['cache-control'] ??= 'no-cache, no-transform'
    headers['x-accel-buffering'] = 'no'
    // A stream that we may have to end early must not promise its length.
    delete headers['content-length']
  } else {
    headers['cache-control'] ??= 'no-store'
    if (!isJson(contentType)) headers['content-security-policy'] = "sandbox; default-src 'none'"
  }
  const { vary } = headers
  Object.assign(headers, extra)
  // A cache that heard of one alone would mix up answers (RFC 9111 §4.1).
  if (vary !== undefined && extra.vary !== undefined) headers.vary = [vary, extra.vary].flat()
  return headers
}

/** Whether a `content-type` is `text/event-stream`. */
export function isEventStream(contentType: string | undefined): boolean {
  return contentType !== undefined && /^text\/event-stream[\t ]*(?:;|$)/i.test(contentType)
}

function isJson(contentType: string | undefined): boolean {
  return contentType !== undefined && /^application\/json[\t ]*(?:;|$)/i.test(contentType)
}

const HOP_BY_HOP = [
  ...['connection', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'http2-settings', 'alt-used'],
  'proxy-*',
]

const REFUSED_FROM_CLIENTS = [
  ...HOP_BY_HOP,
  // Framing and authority are ours (P-08, P-31).
  ...['host', 'content-length', 'expect', 'origin', 'referer', 'via', 'accept-encoding', 'priority', 'sec-*'],
  ...['access-control-*', 'x-original-*', 'x-rewrite-*', 'x-http-method*', 'x-method-override'],
  // Credentials of the client (P-05).
  ...['authorization', 'cookie', 'cookie2', 'dpop', 'client-cert*', 'ssl-client*', 'x-ssl-*', 'x-client-cert*'],
  ...['x-api-key', 'x-access-token', 'x-id-token', 'private-token', 'job-token', 'deploy-token'],
  ...['x-github-token', 'x-gitlab-token'],
  // Identities and addresses that servers believe when a proxy says them (P-06, B200, B202).
  ...['forwarded', 'x-forwarded*', 'x-real-ip', 'client-ip', 'x-client-ip', 'true-client-ip', 'x-cluster-client-ip'],
  ...['remote-*', 'x-remote-*', 'x-user*', 'x-auth*', 'x-authenticated-*', 'x-webauth-*', 'x-consumer-*'],
  ...['cf-*', 'fastly-*', 'x-envoy-*', 'x-goog-*', 'x-appengine-*', 'x-amzn-*', 'x-amz-cf-*', 'x-azure-*'],
  ...['x-ms-client-principal*', 'x-ms-token-*', 'x-arr-*', 'tailscale-*', 'x-internal-*', 'x-gatehouse-*'],
  ...['impersonate-*', 'sudo', 'x-hasura-*', 'x-scope-orgid', 'x-pomerium-*', 'oidc-*', 'x-apigateway-*'],
  ...['x-endpoint-api-*', 'x-jwt-*', 'x-email', 'x-groups', 'x-roles', 'x-credential-*', 'x-anonymous-*'],
  ...['x-vouch-*', 'x-okta-*', 'teleport-*', 'x-teleport-*', 'x-serverless-*'],
]

const REFUSED_FROM_SERVERS = [
  ...HOP_BY_HOP,
  ...['set-cookie', 'set-cookie2', 'www-authenticate', 'authentication-info', 'server', 'x-powered-by', 'via'],
  ...['location', 'content-location', 'refresh', 'sourcemap', 'x-sourcemap', 'access-control-*', 'x-gatehouse-*'],
  // They would speak for our whole origin (P-25).
  ...[
    'alt-svc',
    'strict-transport-security',
    'clear-site-data',
    'nel',
    'report-to',
    'reporting-endpoints',
    'expect-ct',
  ],
  ...[
    'content-security-policy*',
    'x-frame-options',
    'x-content-type-options',
    'x-xss-protection',
    'permissions-policy',
  ],
  ...['feature-policy', 'referrer-policy', 'cross-origin-*', 'origin-agent-cluster', 'service-worker-allowed'],
  ...['accept-ch', 'critical-ch', 'public-key-pins*', 'speculation-rules', 'set-login', 'sec-*'],
  // Orders to a web server in front of us, such as nginx's X-Accel-Redirect.
  ...['x-accel-*', 'x-sendfile*', 'x-lighttpd-*', 'x-litespeed-*', 'x-reproxy-*', 'x-forwarded*', 'forwarded'],
]

/** Whatever folds names leaves such a one alone. */
const PLAIN_NAME = /^[a-z0-9-]+$/

const requestVerdicts = verdicts(REFUSED_FROM_CLIENTS)
const responseVerdicts = verdicts(REFUSED_FROM_SERVERS)

/** Names are remembered up to this many; clients choose them, so the memory has to be bounded. */
const REMEMBERED_NAMES = 1024

function verdicts(patterns: readonly string[]): { passes(name: string): boolean } {
  const exact = new Set(patterns.filter((pattern) => !pattern.endsWith('*')))
  const prefixes = patterns.filter((pattern) => pattern.endsWith('*')).map((pattern) => pattern.slice(0, -1))
  const remembered = new Map<string, boolean>()
  const judge = (name: string) =>
    // Servers fold `_` and other characters to `-`: a name that could be read as another one does not pass (B199).
    PLAIN_NAME.test(name) && !exact.has(name) && !prefixes.some((prefix) => name.startsWith(prefix))
  return {
    passes(name) {
      let verdict = remembered.get(name)
      if (verdict === undefined) {
        verdict = judge(name)
        if (remembered.size < REMEMBERED_NAMES) remembered.set(name, verdict)
      }
      return verdict
    },
  }
}

/** The names that `Connection` makes hop-by-hop (RFC 9110 §7.6.1), or undefined in the usual case of none. */
function namesInConnection(connection: string | string[] | undefined): ReadonlySet<string> | undefined {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return undefined
  // Several lines of a server come as an array; both read as one list.
  return new Set(
    String(connection)
      .split(',')
      .map((name) => name.trim().toLowerCase()),
  )
}
