import type { buildConnector, Dispatcher } from 'undici'
import { isLoopbackAddress, isPublicAddress, networkOf } from './address-guard.ts'
import { createFetchBudget } from './fetch-budget.ts'
import { addressLiteral, type Resolve, resolveLocalName, resolvePublicName } from './resolve.ts'

/** The one way to fetch an address that a stranger named: client metadata documents and client keys. */
export interface Egress {
  /** One GET; never rejects. Nothing is followed, retried, decompressed or remembered. */
  get(url: string, options: GetOptions): Promise<Fetched>
}

export interface GetOptions {
  /** Of the body; one more byte and the fetch has failed. */
  readonly maxBytes: number
  /** For everything: name, connection, header lines and the whole body. */
  readonly timeoutMs: number
  /** Media types, as the Accept header says them. */
  readonly accept: string
  /** Address of the peer whose request makes this fetch necessary; what it may cause has a budget of its own. */
  readonly caller?: string
}

/** What became of a fetch; reasons are constants for the log. */
export type Fetched =
  | {
      readonly outcome: 'answered'
      readonly status: number
      /** Lower-case names; repeated lines joined with a comma. */
      readonly headers: ReadonlyMap<string, string>
      /** Empty unless the status is 200: no other answer means anything. */
      readonly body: Uint8Array
    }
  | { readonly outcome: 'refused'; readonly reason: 'not_https' | 'address_not_public' | 'encoded' | 'too_large' }
  | { readonly outcome: 'failed'; readonly reason: 'name_not_resolved' | 'not_connected' | 'broken_off' | 'timed_out' }
  | { readonly outcome: 'busy'; readonly reason: 'too_many_at_once' | 'too_many_to_host' | 'too_many_for_caller' }

export interface EgressOptions {
  /** Hosts (with or without port) that may be on this computer; to be given only when the gateway itself is. */
  readonly loopbackHosts: readonly string[]
  /** ms since 1970. */
  readonly now: () => number
  /** Instead of DNS. */
  readonly resolve?: Resolve
  /** Instead of opening a TLS connection; `hostname` is the vetted address, `servername` the name to prove. */
  readonly connect?: buildConnector.connector
}

const MAX_AT_ONCE = 32
/** Fetches within a minute. An address can serve many hosts, a caller can be a whole company. */
const PER_HOST = 20
const PER_ADDRESS = 60
const PER_CALLER = 30
/** So that one caller cannot spend what others may need from the same host. */
const PER_CALLER_AND_HOST = 6
const CONNECT_TIMEOUT_MS = 2000
const MAX_HEADER_BYTES = 16 * 1024
/** Addresses of one host that are tried before it counts as unreachable. */
const MAX_ATTEMPTS = 3

/** Loaded by the first fetch: many gateways never make one, and it would take a tenth of every start. */
const undici = () => import('undici')
let verified: buildConnector.connector | undefined

/** `rejectUnauthorized` is set so that no variable of the environment can unset it. */
async function connectVerified(): Promise<buildConnector.connector> {
  const { buildConnector: build } = await undici()
  verified ??= build({ allowH2: false, maxCachedSessions: 0, rejectUnauthorized: true, timeout: CONNECT_TIMEOUT_MS })
  return verified
}

/**
 * A guarded client (MCP security best practices: SSRF). A name is resolved once, every address it has must be public, and
 * the connection goes to a vetted address while TLS proves the name. Proxies of the environment are not used: they would
 * resolve the name again.
 */
export function createEgress(options: EgressOptions): Egress {
  const budget = createFetchBudget(options.now)
  let underWay = 0

  async function fetchWithin(url: URL, isLocal: boolean, asked: GetOptions, signal: AbortSignal): Promise<Fetched> {
    const resolve = options.resolve ?? (isLocal ? resolveLocalName : resolvePublicName)
    const literal = addressLiteral(url.hostname)
    const found = literal === undefined ? await settle(resolve(url.hostname, signal), signal) : [literal]
    if (!found || found.length === 0) return failed(signal, 'name_not_resolved')
    const isAllowed = (address: string) => isPublicAddress(address) || (isLocal && isLoopbackAddress(address))
    // One bad address is enough: whoever mixes them is trying something.
    if (!found.every(isAllowed)) return { outcome: 'refused', reason: 'address_not_public' }
    const connect = options.connect ?? (await connectVerified())
    for (const address of found.slice(0, MAX_ATTEMPTS)) {
      if (!isLocal && !budget.spend(`address ${address}`, PER_ADDRESS))
        return { outcome: 'busy', reason: 'too_many_to_host' }
      const fetched = await getFrom(url, address, asked, signal, connect)
      if (fetched) return fetched
      if (signal.aborted) break
    }
    return failed(signal, 'not_connected')
  }

  /** Budgets keep third parties from being hammered through us; this computer is none. */
  function overspent(url: URL, caller: string | undefined): Fetched | undefined {
    const party = caller === undefined ? undefined : networkOf(caller)
    const isAllowed =
      party === undefined ||
      (budget.spend(`caller ${party}`, PER_CALLER) &&
        budget.spend(`caller ${party} host ${url.hostname}`, PER_CALLER_AND_HOST))
    if (!isAllowed) return { outcome: 'busy', reason: 'too_many_for_caller' }
    return budget.spend(`host ${url.hostname}`, PER_HOST) ? undefined : { outcome: 'busy', reason: 'too_many_to_host' }
  }

  return {
    async get(text, asked) {
      const url = URL.canParse(text) ? new URL(text) : undefined
      if (url?.protocol !== 'https:' || url.username !== '' || url.password !== '')
        return { outcome: 'refused', reason: 'not_https' }
      if (underWay >= MAX_AT_ONCE) return { outcome: 'busy', reason: 'too_many_at_once' }
      const isLocal = options.loopbackHosts.some((host) => host === url.host || host === url.hostname)
      const spent = isLocal ? undefined : overspent(url, asked.caller)
      if (spent) return spent
      underWay += 1
      const abort = new AbortController()
      const timer = setTimeout(() => abort.abort(), asked.timeoutMs)
      try {
        return await fetchWithin(url, isLocal, asked, abort.signal)
      } finally {
        clearTimeout(timer)
        underWay -= 1
      }
    },
  }
}

/** One request to one vetted address; undefined when there was no connection and another address may be tried. */
async function getFrom(
  url: URL,
  address: string,
  asked: GetOptions,
  signal: AbortSignal,
  connect: buildConnector.connector,
): Promise<Fetched | undefined> {
  const { Client } = await undici()
  let isConnected = false
  const client = new Client(url.origin, {
    allowH2: false,
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: asked.timeoutMs,
    bodyTimeout: asked.timeoutMs,
    connect: (target, callback) =>
      connect({ ...target, hostname: address, ...serverName(url) }, (...result) => {
        isConnected = result[0] === null
        callback(...result)
      }),
  })
  try {
    const response = await client.request({
      method: 'GET',
      path: url.pathname + url.search,
      headers: { accept: asked.accept, 'accept-encoding': 'identity', 'user-agent': 'mcp-gatehouse' },
      reset: true,
      signal,
    })
    return await read(response, asked.maxBytes)
  } catch {
    return isConnected || signal.aborted ? failed(signal, 'broken_off') : undefined
  } finally {
    await client.destroy()
  }
}

/** An address has no name to prove but itself (RFC 6066 §3). */
function serverName(url: URL): { servername?: string } {
  return addressLiteral(url.hostname) === undefined ? { servername: url.hostname } : {}
}

async function read(response: Dispatcher.ResponseData, maxBytes: number): Promise<Fetched> {
  const headers = new Map(Object.entries(response.headers).map(([name, value]) => [name, [value].flat().join(', ')]))
  const answered = { outcome: 'answered', status: response.statusCode, headers } as const
  if (response.statusCode !== 200) return { ...answered, body: new Uint8Array() }
  // Nobody was asked to compress, and what expands could expand without end.
  if ((headers.get('content-encoding') ?? 'identity').toLowerCase() !== 'identity')
    return { outcome: 'refused', reason: 'encoded' }
  if (Number(headers.get('content-length') ?? 0) > maxBytes) return { outcome: 'refused', reason: 'too_large' }
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body) {
    size += (chunk as Uint8Array).length
    if (size > maxBytes) return { outcome: 'refused', reason: 'too_large' }
    chunks.push(chunk as Uint8Array)
  }
  return { ...answered, body: Buffer.concat(chunks) }
}

function failed(signal: AbortSignal, reason: Extract<Fetched, { outcome: 'failed' }>['reason']): Fetched {
  return { outcome: 'failed', reason: signal.aborted ? 'timed_out' : reason }
}

/** The value, or undefined when the promise rejected or the time was up first. */
async function settle<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  const timedOut = new Promise<undefined>((resolve) => {
    signal.addEventListener('abort', () => resolve(undefined), { once: true })
  })
  return Promise.race([promise.catch(() => undefined), timedOut])
}
