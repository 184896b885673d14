import { once } from 'node:events'
import { type IncomingMessage, request as sendRequest } from 'node:http'
import { setImmediate } from 'node:timers/promises'
import fastify from 'fastify'
import { pino } from 'pino'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { Secret } from '../../src/domain/secret.ts'
import type { OpenAccess } from '../../src/gateway/access-cache.ts'
import type { Forwarding } from '../../src/gateway/delivery.ts'
import type { Exchange, ForwardOutcome } from '../../src/gateway/exchange.ts'
import type { ExternalAccess } from '../../src/gateway/external-token.ts'
import type { Gateway } from '../../src/gateway/gateway.ts'
import { routeEndpoint } from '../../src/gateway/route-endpoint.ts'
import { createMetrics } from '../../src/metrics.ts'
import { ask } from '../fixtures/http-exchange.ts'

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0)) await close()
})

const PING = '{"jsonrpc":"2.0","id":1,"method":"ping"}'

interface Steps {
  /** What each look at the token says. */
  readonly looks: readonly (() => Promise<ExternalAccess>)[]
  /** What becomes of each attempt at the MCP server. */
  readonly attempts: readonly ((exchange: Exchange) => Promise<ForwardOutcome>)[]
}

const good = async (): Promise<ExternalAccess> => ({ outcome: 'open', access: ACCESS })
const bad = async (): Promise<ExternalAccess> => ({ outcome: 'invalid', reason: 'ended' })
const away = () => Promise.reject(new Error('the database is away'))
const refused = async (): Promise<ForwardOutcome> => ({ kind: 'credential_refused' })
const redirected = async (): Promise<ForwardOutcome> => ({ kind: 'redirected', status: 302, location: undefined })

/** A route whose parts behave as told. */
async function startRoute({ looks, attempts }: Steps, everyCall = false) {
  const [nextLook, nextAttempt] = [looks.values(), attempts.values()]
  const next = <T, A extends unknown[]>(steps: Iterator<(...args: A) => Promise<T>>, ...args: A): Promise<T> => {
    const { value } = steps.next()
    return value ? value(...args) : Promise.reject(new Error('one step too many'))
  }
  const gateway: Partial<Gateway> = {
    issuer: 'https://gateway.example',
    cache: { find: () => undefined, load: async () => undefined, apply: () => {} },
    externalTokens: { verify: () => next(nextLook), remembers: () => false },
    metrics: createMetrics(),
    logger: pino({ enabled: false }),
    now: Date.now,
  }
  const left: string[] = []
  const counted: number[] = []
  const forwarding: Partial<Forwarding> = {
    crossOrigin: { allows: () => true, headers: () => ({}) },
    concurrency: {
      enter(_path, _grant, bytes) {
        counted.push(bytes)
        return 'entered'
      },
      resize: (_grant, before, bytes) => void counted.push(bytes - before),
      leave(path, _grant, bytes) {
        counted.push(-bytes)
        left.push(path)
      },
    },
    forwarder: { forward: (exchange: Exchange) => next(nextAttempt, exchange) } as unknown as Forwarding['forwarder'],
    calls: { everyCall, begun: () => {}, settled: () => {}, refused: () => {} },
    credentials: {
      forAccess: async () => ({ outcome: 'fresh', tokens: TOKENS }),
      afterRefusal: async () => ({ outcome: 'fresh', tokens: TOKENS }),
    } as unknown as Forwarding['credentials'],
    maxBodyBytes: 1000,
  }
  const app = fastify()
  closers.push(() => app.close())
  const onRequest = routeEndpoint(gateway as Gateway, forwarding as Forwarding, ROUTE)
  app.all('/own', { onRequest }, () => 'not reached')
  const url = `${await app.listen({ host: '127.0.0.1', port: 0 })}/own`
  return { url, left, counted }
}

const HEADERS = { authorization: 'Bearer a.b.c', 'content-type': 'application/json' }

/** The answer to one call on such a route. */
async function answerTo(steps: Steps, everyCall = false, more: Record<string, string> = {}) {
  const { url, ...seen } = await startRoute(steps, everyCall)
  return { answer: await ask(url, { method: 'POST', headers: { ...HEADERS, ...more }, body: PING }), ...seen }
}

it.each<[string, Steps, number]>([
  ['a token that ended meanwhile', { looks: [good, good, bad], attempts: [refused] }, 401],
  ['a token that cannot be looked up any more', { looks: [good, good, away], attempts: [refused] }, 503],
  ['a second attempt', { looks: [good, good, good], attempts: [refused, redirected] }, 502],
  ['a second attempt that fails unforeseen', { looks: [good, good, good], attempts: [refused, away] }, 503],
  ['a first attempt that fails unforeseen', { looks: [good, good], attempts: [away] }, 503],
])(
  'answers the client and gives its place back, whatever happens after the first byte: %s (C41)',
  async (_what, steps, status) => {
    const { answer, left } = await answerTo(steps)
    expect(answer.status).toBe(status)
    expect(answer.json()).toMatchObject({ jsonrpc: '2.0', id: null, error: { code: status } })
    expect(answer.headers['retry-after'] !== undefined).toBe(status === 503)
    expect(left).toEqual(['/own'])
  },
)

it.each([
  [
    'of unknown length counts as the largest until it is there',
    { 'transfer-encoding': 'chunked' },
    [2 ** 22, PING.length - 2 ** 22, -PING.length],
  ],
  ['of known length counts as that', {}, [PING.length, -PING.length]],
])('a body that is looked at is counted while it is kept, and one %s (C65)', async (_, more, bytes) => {
  const { answer, counted } = await answerTo({ looks: [good, good], attempts: [redirected] }, true, more)
  expect(answer.status).toBe(502)
  expect(counted).toEqual(bytes)
})

describe('a place', () => {
  /** An answer of more than kernels take for somebody who does not read, to a client that does not read. */
  async function unread() {
    const answered = Promise.withResolvers<void>()
    const answer = async ({ response }: Exchange): Promise<ForwardOutcome> => {
      response.writeHead(200).end(Buffer.alloc(2 ** 25))
      answered.resolve()
      return { kind: 'answered', status: 200, bytes: 2 ** 25 }
    }
    const { url, left } = await startRoute({ looks: [good, good], attempts: [answer] })
    const [slow]: IncomingMessage[] = await once(
      sendRequest(url, { method: 'POST', headers: HEADERS }).end(PING),
      'response',
    )
    await answered.promise
    await setImmediate()
    if (!slow) throw new Error('no answer')
    return { slow, left }
  }

  it('is given back when the client has all of its answer, however slowly it reads (P-64, C65)', async () => {
    const { slow, left } = await unread()
    expect(left).toEqual([])
    slow.resume()
    await once(slow, 'end')
    await expect.poll(() => left).toEqual(['/own'])
  })

  it('is taken from a client that reads nothing for five minutes (P-64, C65)', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      const { slow, left } = await unread()
      vi.advanceTimersByTime(5 * 60_000 - 1)
      await setImmediate()
      expect(left).toEqual([])
      const broken = once(slow.resume(), 'error')
      vi.advanceTimersByTime(1)
      await broken
      expect(left).toEqual(['/own'])
    } finally {
      vi.useRealTimers()
    }
  })
})

const TOKENS = { accessToken: new Secret('provider-token'), obtainedAt: 0 }
const EXPIRES_AT = 4_000_000_000_000
const ACCESS: OpenAccess = {
  access: { hash: 'hash', grantId: 'grant', scopes: [], expiresAt: EXPIRES_AT },
  grant: {
    ...{ id: 'grant', clientId: 'client', routePath: '/own', resource: 'https://gateway.example/own', scopes: [] },
    ...{ sealedIdentity: '', status: 'active', generation: 0, rotatedAt: 0, createdAt: 0, expiresAt: EXPIRES_AT },
  },
  identity: { provider: 'corp', subject: 'alice', groups: [] },
}
const ROUTE: Parameters<typeof routeEndpoint>[2] = {
  path: '/own',
  resource: 'https://gateway.example/own',
  title: 'own',
  upstream: new URL('http://127.0.0.1:9/mcp'),
  authorization: { issuers: [], audience: '', tokenTypes: [], groupsClaim: 'groups' },
  credential: { kind: 'provider-token', provider: 'corp' },
  inject: [],
  scopes: [],
}
