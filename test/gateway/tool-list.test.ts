import { request as sendRequest } from 'node:http'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { eventFilter } from '../../src/gateway/event-filter.ts'
import { ask } from '../fixtures/http-exchange.ts'
import { call, type PolicyGateway, startPolicyGateway } from '../fixtures/policy-gateway.ts'

const LIST = { jsonrpc: '2.0', id: 1, method: 'tools/list' }
const ANSWER =
  '{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a","inputSchema":{"maximum":18446744073709551615}}, {"name":"drop"},{"name":"push"}],' +
  '"nextCursor":"eyJ\\u003d","ttlMs":5000,"cacheScope":"public"}}'
/** Without what is denied; what takes another scope stays, because the user can have it. */
const FILTERED = ANSWER.replace(', {"name":"drop"}', '').replace('"public"', '"private"')
const EVENTS = { 'content-type': 'text/event-stream' }

let rig: PolicyGateway

beforeAll(async () => {
  rig = await startPolicyGateway({
    '/tools': {
      tools: { deny: ['drop'] },
      scopes: { read: { tools: ['a'] }, write: { tools: ['push'], includes: ['read'] } },
    },
    '/old': { transport: 'sse', tools: { deny: ['drop'] } },
    '/plain': {},
  })
})
afterAll(() => rig.close())
beforeEach(() => {
  rig.answer = {}
})

const whole = (body: string | Buffer, headers: Record<string, string> = {}) => {
  rig.answer = { pieces: [body], headers: { 'content-length': String(Buffer.byteLength(body)), ...headers } }
}

describe('a list of tools as JSON (P-90)', () => {
  it('holds what the user can have, keeps its cursor and every other byte, and is the user’s alone', async () => {
    whole(ANSWER, { etag: '"x"' })
    const answer = await rig.post('/tools', LIST)
    expect([answer.status, answer.body]).toEqual([200, FILTERED])
    expect(answer.headers['content-length']).toBe(String(FILTERED.length))
    expect(answer.headers).not.toHaveProperty('etag')
  })

  it('does so however it is framed and cut', async () => {
    rig.answer = { pieces: [...ANSWER] }
    expect((await rig.post('/tools', LIST)).body).toBe(FILTERED)
  })

  it('does so in a batch, among other answers (P-18)', async () => {
    whole(`[{"jsonrpc":"2.0","id":2,"result":{"cacheScope":"public"}} , ${ANSWER}]`)
    const answer = await rig.post('/tools', [{ ...LIST, id: 2, method: 'ping' }, LIST])
    expect(answer.body).toBe(`[{"jsonrpc":"2.0","id":2,"result":{"cacheScope":"public"}} , ${FILTERED}]`)
  })

  it('is left alone on a route without rules, byte for byte', async () => {
    whole(ANSWER)
    expect((await rig.post('/plain', LIST)).body).toBe(ANSWER)
  })

  it.each([
    ['404', 404, '{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"x"}}'],
    ['400', 400, 'no JSON'],
    ['202', 202, ''],
    ['202 with a word', 202, 'Accepted'],
    ['202 with JSON', 202, 'null'],
  ])('an answer of %s holds none and passes as it is (P-21)', async (_, status, body) => {
    rig.answer = { status, pieces: body === '' ? [] : [body] }
    const answer = await rig.post('/tools', LIST)
    expect([answer.status, answer.body]).toEqual([status, body])
  })

  it.each<[string, string | Buffer, Record<string, string>]>([
    ['compressed', gzipSync(ANSWER), { 'content-encoding': 'gzip' }],
    ['not JSON', ANSWER.slice(1), {}],
    ['not UTF-8', Buffer.from(`${ANSWER}\xff`, 'latin1'), {}],
    ['UTF-16', Buffer.from(ANSWER, 'utf16le'), {}],
    ['no list', '{"result":{"tools":{"drop":{}}}}', {}],
    ['too large', `{"result":{"tools":[{"name":"drop"}]},"x":"${'x'.repeat(4 * 1024 * 1024)}"}`, {}],
    ['compressed event stream', gzipSync(`data: ${ANSWER}\n\n`), { ...EVENTS, 'content-encoding': 'gzip' }],
  ])('is not passed on when it cannot be read: %s', async (_, body, headers) => {
    whole(body, headers)
    const answer = await rig.post('/tools', LIST)
    expect(answer.status).toBe(502)
    expect(answer.body).not.toContain('drop')
    expect(answer.json()).toMatchObject({ error: { code: 502 } })
    whole(ANSWER)
    expect((await rig.post('/tools', LIST)).body).toBe(FILTERED)
  })

  it('asks the server not to compress (P-17)', async () => {
    rig.reached.length = 0
    await rig.post('/tools', LIST, { headers: { 'accept-encoding': 'gzip, br' } })
    expect(rig.reached[0]?.headers['accept-encoding']).toBe('identity')
  })
})

describe('a list of tools in an event stream (P-90)', () => {
  const before =
    ': hello\n\nid: 1\nevent: message\ndata: {"jsonrpc":"2.0","method":"notifications/progress","params":{"n":1.0}}\n\n'

  it('is filtered where it stands; everything else passes byte for byte', async () => {
    rig.answer = { headers: EVENTS, pieces: [before, `event: message\nid: 2\ndata: ${ANSWER}\n\n`, 'retry: 5\n\n'] }
    const answer = await rig.post('/tools', LIST)
    expect(answer.body).toBe(`${before}event: message\nid: 2\ndata: ${FILTERED}\n\nretry: 5\n\n`)
    expect(answer.headers['content-type']).toBe('text/event-stream')
  })

  it('is filtered on a stream that GET opened: replayed answers, and those of the old transport', async () => {
    rig.answer = { headers: EVENTS, pieces: [...before, ...`data: ${ANSWER}\r\n\r\n`] }
    const answer = await rig.post('/tools', '', { method: 'GET' })
    expect(answer.body).toBe(`${before}data: ${FILTERED}\r\n\r\n`)
  })

  it('keeps CRLF to the last byte, with which Python servers end their lines: clients wait for it (P-60)', async () => {
    const untouched = 'event: message\r\ndata: {"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"}]}}\r\n\r\n'
    rig.answer = { headers: EVENTS, pieces: [`event: message\r\ndata: ${ANSWER}\r\n\r\n`, untouched] }
    expect((await rig.post('/tools', LIST)).body).toBe(`event: message\r\ndata: ${FILTERED}\r\n\r\n${untouched}`)
  })

  it('ends the stream when it cannot be read, and does not let it through', async () => {
    rig.answer = { headers: EVENTS, pieces: [before, 'data: {"result":{"tools":[{"name":"drop"}]}\n\n'] }
    const { accessToken } = await rig.tokens('/tools')
    const seen = await new Promise<string>((resolve, reject) => {
      const sent = sendRequest(rig.url('/tools'), {
        method: 'POST',
        headers: { authorization: `Bearer ${accessToken}`, 'content-type': 'application/json' },
      })
      sent.on('error', reject)
      sent.on('response', (response) => {
        let text = ''
        response.on('data', (chunk) => {
          text += chunk
        })
        response.on('close', () => resolve(`${response.complete} ${text}`))
        response.on('error', () => {})
      })
      sent.end(JSON.stringify(LIST))
    })
    expect(seen).toBe(`false ${before}`)
  })

  it('does not hold back what a client waits for: each event leaves when it is complete', async () => {
    rig.answer = { headers: EVENTS, pieces: [': ping\n'], open: true }
    const { accessToken } = await rig.tokens('/tools')
    const answer = await fetch(rig.url('/tools'), { headers: { authorization: `Bearer ${accessToken}` } })
    const reader = answer.body?.getReader()
    expect(Buffer.from((await reader?.read())?.value ?? []).toString()).toBe(': ping\n')
    await reader?.cancel()
  })
})

describe('the old transport (P-100)', () => {
  it('announces its endpoint, filters what comes on the stream, and judges what is posted', async () => {
    rig.answer = {
      headers: EVENTS,
      pieces: ['event: endpoint\ndata: /mcp?session=1\n\n', `event: message\ndata: ${ANSWER}\n\n`],
    }
    const stream = (await rig.post('/old', '', { method: 'GET' })).body
    const messages = /data: (\/old\/messages\?endpoint=\S+)/.exec(stream)?.[1] ?? ''
    expect(stream).toBe(`event: endpoint\ndata: ${messages}\n\nevent: message\ndata: ${FILTERED}\n\n`)
    rig.answer = { status: 202, pieces: ['Accepted'] }
    rig.reached.length = 0
    for (const message of [LIST, call('a')]) {
      const { status, body } = await rig.post('/old', message, { to: messages })
      expect([status, body]).toEqual([202, 'Accepted'])
    }
    expect((await rig.post('/old', call('drop'), { to: messages })).status).toBe(403)
    expect(rig.reached).toHaveLength(2)
  })
})

describe('events, cut anywhere', () => {
  const stream =
    '\ufeffdata: {"a":1}\n\n: c\r\nid\r\ndata: {"drop":1}\r\n\r\ndata:{"drop":\rdata:2}\r\rdata\n\nevent: endpoint\ndata: /messages\n\n'
  const expected =
    '\ufeffdata: {"a":1}\n\n: c\r\nid\r\ndata: {}\r\n\r\ndata: {}\r\rdata\n\nevent: endpoint\ndata: /messages\n\n'
  const filter = (data: string) => (data.includes('drop') ? '{}' : data)

  it.each([1, 2, 3, 5, 7, 1000])('into pieces of %i bytes', (size) => {
    const rewrite = eventFilter(filter)
    const bytes = Buffer.from(stream)
    let result = ''
    for (let at = 0; at < bytes.length; at += size) {
      const piece = rewrite(bytes.subarray(at, at + size))
      if (piece instanceof Promise) throw new Error('withheld')
      result += piece.toString('latin1')
    }
    expect(Buffer.from(result, 'latin1').toString()).toBe(expected)
  })

  it.each(['\n\n', '\r\r', '\r\n\r\n', '\n\r\n'])(
    'are whole at once, the end of the line %j included, and so is the stream',
    (end) => {
      const rewrite = eventFilter(filter)
      for (const event of ['data: {"a":1}', 'event: message'])
        expect(String(rewrite(Buffer.from(event + end)))).toBe(event + end)
      // The last byte alone: readers cannot know before it whether the blank line is over.
      const whole = Buffer.from(`data: {"a":1}${end}`)
      const pieces = [whole.subarray(0, -1), whole.subarray(-1)].map((piece) => String(rewrite(piece)))
      expect(pieces.join('')).toBe(String(whole))
    },
  )

  it('end where one is longer than any list', async () => {
    const rewrite = eventFilter(filter)
    let rejected: unknown
    for (let piece = 0; piece < 70 && !rejected; piece++) {
      const passed = rewrite(Buffer.alloc(64 * 1024, 'x'))
      if (passed instanceof Promise) rejected = await passed.catch((error: Error) => error.name)
    }
    expect(rejected).toBe('WithheldEvent')
  })
})

it('a refused answer is counted by reason', async () => {
  rig.answer = { pieces: ['{'] }
  await rig.post('/tools', LIST)
  expect((await ask(`${rig.gateway.operations}/metrics`)).body).toMatch(
    /gatehouse_requests_total\{route="\/tools",outcome="answer_withheld"\} [1-9]/,
  )
})
