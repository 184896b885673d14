import { once } from 'node:events'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { obtainTokens, register } from '../fixtures/oauth-requests.ts'
import { ALICE, passwordProviders } from '../fixtures/password-provider.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'
import { linesOf, readWire, sendOnWire, type WireMessage, type WireRequest } from '../fixtures/wire.ts'

const JSON_TYPE = { 'content-type': 'application/json' }
const EVENTS = { 'content-type': 'text/event-stream' }
/** Proxies are known to cut streams after 5 s without a byte. */
const SILENCE_MS = 6000
/** Larger than what is read before forwarding, and than what is collected before answering. */
const LARGE_BYTES = 300_000

let gateway: TestGateway
let server: PlainServer
let authorization: string
let answer: RequestListener
let seen: (WireMessage & { readonly method: string; readonly url: string })[]

beforeAll(async () => {
  server = await startPlainServer((request, response) => void receive(request, response))
  gateway = await startTestGateway({
    providers: await passwordProviders(),
    routes: { '/mcp': { upstream: server.url, sign_in: 'home' } },
  })
  const client = await register(gateway.issuer)
  authorization = `Bearer ${(await obtainTokens(gateway.issuer, client, {}, ALICE)).accessToken}`
})

afterAll(async () => {
  await gateway?.close()
  await server?.close()
})

beforeEach(() => {
  seen = []
  answer = (_, response) => response.writeHead(200, JSON_TYPE).end('{}')
})

async function receive(request: IncomingMessage, response: ServerResponse) {
  // A client that leaves while it sends is no fault of the test's server.
  const message = await readWire(request).catch(() => undefined)
  if (message === undefined) return
  seen.push({ method: request.method ?? '', url: request.url ?? '', ...message })
  answer(request, response)
}

function send(request: WireRequest = {}, query = '') {
  const headers = { authorization, accept: 'application/json, text/event-stream', ...JSON_TYPE, ...request.headers }
  return sendOnWire(`${gateway.issuer}/mcp${query}`, { ...request, headers })
}

function onlyRequest() {
  const [one, ...more] = seen
  if (one === undefined || more.length > 0) throw new Error(`${seen.length} requests arrived`)
  return one
}

/** A body in pieces that respect neither characters nor lines. */
function inPieces(body: Buffer, size: number): Buffer[] {
  return Array.from({ length: Math.ceil(body.length / size) }, (_, index) =>
    body.subarray(index * size, (index + 1) * size),
  )
}

const BODIES: readonly (readonly [what: string, body: Buffer])[] = (
  [
    ['numbers beyond doubles', '{"a":12345678901234567890,"b":1.0,"c":0.1000,"d":1E400,"e":-0}'],
    ['keys in no order, and twice', '{"z":1,"a":2,"method":"tools/list","method":"tools/call","__proto__":{}}'],
    ['whitespace of every kind', '\r\n\t { "jsonrpc" :\t"2.0" ,\n"id":1 }\n\n '],
    ['characters outside the basic plane, plain and escaped', '{"a":"😀\\ud83d\\ude00","b":"é\\u00e9\\/"}'],
    ['a lone surrogate and control characters, escaped', '{"a":"\\ud800","b":"\\u0000\\u2028"}'],
    ['a batch (2025-03-26)', '[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","method":"x/y"}]'],
    ['a batch of nothing', '[]'],
    ['a byte order mark', '\ufeff{"jsonrpc":"2.0"}'],
    ['no JSON at all', 'method=tools/list'],
    ['a large one', JSON.stringify({ text: 'ä'.repeat(LARGE_BYTES / 2) })],
  ] as const
)
  .map(([what, body]): [string, Buffer] => [what, Buffer.from(body)])
  .concat([['bytes that are no UTF-8', Buffer.from([0x7b, 0xff, 0xfe, 0x00, 0xc3, 0x28, 0x7d])]])

describe('bodies', () => {
  it.each(BODIES)('reach the server byte for byte, announced or in pieces: %s (P-12, P-18)', async (_, body) => {
    await send({ body })
    expect(onlyRequest().body.equals(body)).toBe(true)
    expect(linesOf(onlyRequest(), 'content-length')).toEqual([String(body.length)])
    seen = []
    await send({ body: inPieces(body, 7001) })
    expect(onlyRequest().body.equals(body)).toBe(true)
  })

  it.each(BODIES)('reach the client byte for byte, announced or in pieces: %s (P-12)', async (_, body) => {
    answer = (_request, response) => response.writeHead(200, { ...JSON_TYPE, 'content-length': body.length }).end(body)
    const announced = await send()
    expect(announced.body.equals(body)).toBe(true)
    expect(linesOf(announced, 'content-length')).toEqual([String(body.length)])
    answer = (_request, response) => {
      response.writeHead(200, JSON_TYPE)
      for (const piece of inPieces(body, 7001)) response.write(piece)
      response.end()
    }
    expect((await send()).body.equals(body)).toBe(true)
  })
})

describe('headers of the protocol', () => {
  const STANDARD = {
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': 'tools/call',
    'mcp-name': '=?base64?8J+YgA==?=',
    'mcp-param-region': 'us-west1 ; "quoted", comma',
    'mcp-param-base64': '=?base64?SGVsbG8?=',
    'mcp-param-case-MiXeD': 'VaLuE',
    'mcp-of-tomorrow': 'new',
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    baggage: 'a=b',
    'accept-language': 'de, en;q=0.5',
    'user-agent': 'a client/1.0',
  }

  it('reach the server with the very same values, none added, none left out (P-10, P-11, P-16)', async () => {
    await send({ headers: STANDARD, body: Buffer.from('{}') })
    for (const [name, value] of Object.entries(STANDARD))
      expect([name, linesOf(onlyRequest(), name.toLowerCase())]).toEqual([name, [value]])
    const names = onlyRequest().headers.map(([name]) => name)
    const expected = Object.keys(STANDARD).filter((name) => name.startsWith('mcp-'))
    expect(names.filter((name) => name.startsWith('mcp-')).sort()).toEqual(expected.map((n) => n.toLowerCase()).sort())
  })

  it('are not made up where the client sent none (P-11)', async () => {
    await send({ body: Buffer.from('{"jsonrpc":"2.0","id":1,"method":"tools/list"}') })
    expect(onlyRequest().headers.filter(([name]) => name.startsWith('mcp-'))).toEqual([])
  })

  it('reach the client with the very same values (P-11, P-45)', async () => {
    const headers = { 'mcp-session-id': '!opaque~{}|"id"', 'mcp-of-tomorrow': 'Ne W', 'retry-after': '7' }
    answer = (_, response) => response.writeHead(200, { ...JSON_TYPE, ...headers }).end('{}')
    const got = await send({ body: Buffer.from('{}') })
    for (const [name, value] of Object.entries(headers)) expect([name, linesOf(got, name)]).toEqual([name, [value]])
  })
})

describe('event streams', () => {
  const STREAM = Buffer.from(
    [
      '\ufeffid: 0\ndata:\n\n',
      'id: 1\r\nevent: message\r\ndata: {"jsonrpc":"2.0","id":1,\r\ndata: "result":{"a":1.0}}\r\n\r\n',
      ': a comment\n:\n\n',
      'retry: 1500\nid\ndata\n\n',
      'data: {"text":"😀 é"}\rdata: b\r\r',
      'unknown: field\ndata:no space\n\n\n\n',
      'id: 3\ndata: half an event, and no line end',
    ].join(''),
  )

  it.each([
    ['POST', 1],
    ['POST', 7],
    ['GET', 7],
    ['GET', STREAM.length],
  ] as const)(
    'arrive byte for byte: ids, retry, comments, priming events, every line end, none at the end (%s, by %i, P-60)',
    async (method, size) => {
      answer = (_, response) => {
        response.writeHead(200, EVENTS)
        for (const piece of inPieces(STREAM, size)) response.write(piece)
        response.end()
      }
      const got = await send({ method, ...(method === 'POST' ? { body: Buffer.from('{}') } : {}) })
      expect(got.body.equals(STREAM)).toBe(true)
      expect(linesOf(got, 'content-type')).toEqual(['text/event-stream'])
      expect(linesOf(got, 'content-encoding')).toEqual([])
    },
  )

  it('and answers are not cut by silence: before the status, on POST, on GET (P-63)', async () => {
    answer = async (request, response) => {
      if (request.headers['mcp-name'] === 'late') await delay(SILENCE_MS)
      response.writeHead(200, EVENTS).flushHeaders()
      response.write('data: 1\n\n')
      if (request.headers['mcp-name'] !== 'late') await delay(SILENCE_MS)
      response.end('data: 2\n\n')
    }
    const answers = await Promise.all([
      send({ method: 'GET' }),
      send({ body: Buffer.from('{}') }),
      send({ body: Buffer.from('{}'), headers: { 'mcp-name': 'late' } }),
    ])
    expect(answers.map(({ body }) => body.toString())).toEqual(Array(3).fill('data: 1\n\ndata: 2\n\n'))
    expect(seen).toHaveLength(3)
  })
})

describe('statuses and errors of the server', () => {
  it.each([200, 202, 400, 403, 404, 405, 406, 409, 413, 415, 422, 429, 500, 501, 503])(
    '%i passes with its body (P-21)',
    async (status) => {
      const body = `{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"own ${status}"}}`
      answer = (_, response) => response.writeHead(status, JSON_TYPE).end(body)
      const got = await send({ body: Buffer.from('{}') })
      expect([got.status, got.body.toString(), linesOf(got, 'content-type')]).toEqual([
        status,
        body,
        ['application/json'],
      ])
      expect(linesOf(got, 'www-authenticate')).toEqual([])
    },
  )

  it.each([200, 202, 204, 400, 404, 405])('%i passes without one (P-21)', async (status) => {
    answer = (_, response) => response.writeHead(status).end()
    const got = await send({ body: Buffer.from('{}') })
    expect([got.status, got.body.length, linesOf(got, 'content-type')]).toEqual([status, 0, []])
  })

  it('a refused GET stays the server’s own 405, with its words (P-21, P-46, B256)', async () => {
    const body = '{"jsonrpc":"2.0","error":{"code":-32000,"message":"Method not allowed."},"id":null}'
    answer = (_, response) => response.writeHead(405, { ...JSON_TYPE, allow: 'POST' }).end(body)
    for (const method of ['GET', 'DELETE']) {
      const got = await send({ method })
      expect([got.status, got.body.toString(), linesOf(got, 'allow')]).toEqual([405, body, ['POST']])
    }
  })

  it.each([
    [400, -32_020, '{"header":"Mcp-Name"}'],
    [400, -32_021, '{"requiredCapabilities":{"sampling":{}}}'],
    [400, -32_022, '{"supported":["2026-07-28"],"requested":"2099-01-01"}'],
    [404, -32_601, '{"method":"unknown/method"}'],
    [400, -32_602, '{"reason":"invalid_request_state"}'],
    [400, -32_700, 'null'],
  ])('%i with JSON-RPC error %i passes with all that it says (P-82)', async (status, code, data) => {
    const body = `{ "jsonrpc":"2.0", "id":1.0, "error":{"code":${code},"message":"no","data":${data}} }`
    answer = (_, response) => response.writeHead(status, JSON_TYPE).end(body)
    const got = await send({ body: Buffer.from('{}') })
    expect([got.status, got.body.toString()]).toEqual([status, body])
  })
})

describe('addresses', () => {
  it.each(['?a=1', '?a=%2F%2f&b=%C3%A9&&c=+x&d', '?a=1&a=2', '?x=%zz', "?=;:@!$&'()*,"])(
    'keep their query as it is: %s (P-30)',
    async (query) => {
      await send({ body: Buffer.from('{}') }, query)
      expect(onlyRequest().url).toBe(`/mcp${query}`)
    },
  )
})

describe('a client that leaves', () => {
  it.each([
    ['before the answer', 'POST', undefined],
    ['on a quiet stream', 'GET', ''],
    ['in the middle of a stream', 'POST', 'data: 1\n\n'],
  ] as const)(
    '%s ends the request at the server, and nothing is said in its name (%s, P-65, P-66)',
    async (_, method, first) => {
      const arrived = Promise.withResolvers<ServerResponse>()
      answer = (_request, response) => {
        if (first !== undefined) response.writeHead(200, EVENTS).flushHeaders()
        if (first) response.write(first)
        arrived.resolve(response)
      }
      const leaving = new AbortController()
      const answered = fetch(`${gateway.issuer}/mcp`, {
        method,
        headers: { authorization, ...(method === 'POST' ? JSON_TYPE : {}) },
        body: method === 'POST' ? '{}' : null,
        signal: leaving.signal,
      })
      const response = await arrived.promise
      const closed = once(response, 'close')
      if (first === undefined) answered.catch(() => undefined)
      else await answered
      leaving.abort()
      await closed
      expect(response.writableFinished).toBe(false)
      answer = (_request, next) => next.writeHead(200, JSON_TYPE).end('{}')
      await send({ body: Buffer.from('{"after":true}') })
      expect(seen.map(({ method: one }) => one)).toEqual([method, 'POST'])
    },
  )
})
