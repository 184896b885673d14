import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ask, rawAsk, statuses } from '../fixtures/http-exchange.ts'
import { call, type PolicyGateway, startPolicyGateway } from '../fixtures/policy-gateway.ts'

// What the gateway reads in a body and what the MCP server reads in it must be the same, whatever parser the server has.
// `danger` is denied; a server that gets to see it in any form has been reached past the policy.

let rig: PolicyGateway

beforeAll(async () => {
  rig = await startPolicyGateway(
    {
      '/strict': { tools: { deny: ['danger'] }, scopes: { safe: { tools: ['safe'] }, all: { tools: ['*'] } } },
      '/plain': {},
    },
    { limits: { body_bytes: 65_536 } },
  )
})
afterAll(() => rig.close())
beforeEach(() => {
  rig.reached.length = 0
})

const CALL = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"safe"}}'
const SCOPE = { scope: 'all' }

/** The refusal, and that nothing of it got through, nor anything of it came back. */
async function refused(body: string | Buffer, status: number, headers: Record<string, string> = {}) {
  const answer = await rig.post('/strict', body, { ...SCOPE, headers })
  expect(answer.status).toBe(status)
  expect(answer.json()).toMatchObject({ jsonrpc: '2.0', error: { code: expect.any(Number) } })
  expect(answer.body).not.toContain('danger')
  expect(rig.reached).toEqual([])
  return answer
}

async function passed(body: string | Buffer, headers: Record<string, string> = {}) {
  const answer = await rig.post('/strict', body, { ...SCOPE, headers })
  expect([answer.status, answer.body.includes('"error"')]).toEqual([200, false])
  expect(rig.reached.map((one) => one.body)).toEqual([Buffer.from(body)])
}

afterAll(async () => expect((await ask(`${rig.gateway.operations}/healthz`)).status).toBe(200))

describe('B214 bodies that two parsers read in two ways', () => {
  it('the positive twin: one that all read alike arrives as it was', () => passed(CALL))

  it.each([
    ['the last of two names', '{"id":1,"method":"tools/call","params":{"name":"safe","name":"danger"}}'],
    ['the first of two names', '{"id":1,"method":"tools/call","params":{"name":"danger","name":"safe"}}'],
    ['the second params', '{"id":1,"method":"tools/call","params":{"name":"safe"},"params":{"name":"danger"}}'],
    ['the second method', '{"id":1,"method":"ping","params":{"name":"danger"},"method":"tools/call"}'],
    ['an escaped key', '{"id":1,"method":"tools/call","params":{"name":"safe","n\\u0061me":"danger"}}'],
    ['a key in other letters', '{"id":1,"method":"tools/call","params":{"name":"safe","NAME":"danger"}}'],
    ['a method in other letters alone', '{"id":1,"result":{},"Method":"tools/call","Params":{"name":"danger"}}'],
    ['a letter that folds to another', '{"id":1,"method":"ping","paramſ":{"name":"danger"}}'],
    ['a name that C ends at NUL', '{"id":1,"method":"tools/call","params":{"name\\u0000":"danger","name":"safe"}}'],
    ['__proto__', '{"id":1,"result":{},"__proto__":{"method":"tools/call","params":{"name":"danger"}}}'],
    ['__proto__ in params', '{"id":1,"method":"tools/call","params":{"name":"safe","__proto__":{"name":"danger"}}}'],
    ['a batch with one of them', `[${CALL},{"id":2,"method":"tools/call","params":{"name":"safe","name":"danger"}}]`],
  ])('%s', async (_, body) => {
    const answer = await refused(body, 400)
    expect(answer.body).toContain('two ways')
  })

  it.each<[string, string | Buffer]>([
    ['a BOM', `\ufeff${CALL}`],
    ['UTF-16 with BOM', Buffer.from(`\ufeff${CALL}`, 'utf16le')],
    ['UTF-16 without BOM', Buffer.from(CALL, 'utf16le')],
    ['invalid UTF-8', Buffer.concat([Buffer.from(CALL.slice(0, -3)), Buffer.from([0xff]), Buffer.from('"}}')])],
    ['overlong UTF-8', Buffer.from('{"id":1,"method":"tools\xc0\xafcall","params":{"name":"danger"}}', 'latin1')],
    ['trailing garbage', `${CALL} danger`],
    ['two messages', `${CALL}\n{"id":2,"method":"tools/call","params":{"name":"danger"}}`],
    ['a comment', `/* danger */${CALL}`],
    ['a trailing comma', CALL.replace('"safe"', '"safe",')],
    ['single quotes', "{'method':'tools/call','params':{'name':'danger'}}"],
    ['NaN', CALL.replace('"id":1', '"id":NaN')],
    ['a NUL behind it', `${CALL}\0`],
    ['nothing', ''],
  ])('%s', async (_, body) => {
    await refused(body, 400)
  })

  it.each([
    ['names that are no text', '{"method":"tools/call","params":{"name":["danger"]}}'],
    ['parameters by position', '{"method":"tools/call","params":["danger"]}'],
    ['a method that some server trims', '{"method":"tools/call ","params":{"name":"danger"}}'],
    ['a method in other letters', '{"method":"TOOLS/CALL","params":{"name":"danger"}}'],
    ['a method with a NUL', '{"method":"tools/call\\u0000","params":{"name":"danger"}}'],
    ['a name with a NUL', '{"method":"tools/call","params":{"name":"danger\\u0000"}}'],
    ['half a character', '{"method":"tools/call","params":{"name":"danger\\ud83d"}}'],
    ['a batch in a batch', '[[{"method":"tools/call","params":{"name":"danger"}}]]'],
    ['no message', '{}'],
  ])('%s', async (_, body) => {
    await refused(body, 400)
  })

  it('nesting without end, and a batch without end, are refused quickly', async () => {
    await refused(`${'['.repeat(30_000)}${']'.repeat(30_000)}`, 400)
    await refused(`[${Array(101).fill('{"method":"ping"}').join(',')}]`, 400)
  })
})

describe('B214 the same thing written in another way is judged for what it is', () => {
  it.each([
    ['an escaped method', '{"id":1,"method":"tools\\u002fcall","params":{"name":"danger"}}'],
    ['an escaped name', '{"id":1,"method":"tools/call","params":{"name":"d\\u0061nger"}}'],
    ['an escaped key', '{"id":1,"m\\u0065thod":"tools/call","params":{"n\\u0061me":"danger"}}'],
    ['parameters before the method', '{"params":{"name":"danger"},"method":"tools/call","id":1}'],
    ['a call that wants no answer', '{"method":"tools/call","params":{"name":"danger"}}'],
    ['a call without version', '{"method":"tools/call","params":{"name":"danger"},"id":null}'],
    ['white space', ' \r\n\t{ "id" : 1 , "method" : "tools/call" , "params" : { "name" : "danger" } } '],
    [
      'decoys',
      '{"id":1,"x":{"method":"ping"},"method":"tools/call","params":{"arguments":{"name":"safe"},"name":"danger"}}',
    ],
    ['a response that is also a call', '{"id":1,"result":{},"method":"tools/call","params":{"name":"danger"}}'],
  ])('denied: %s', async (_, body) => {
    await refused(body, 403)
  })

  it.each([
    ['an escaped method', '{"id":1,"method":"tools\\u002fcall","params":{"name":"s\\u0061fe"}}'],
    [
      'a big integer and a fine fraction',
      '{"id":12345678901234567890,"method":"tools/call","params":{"name":"safe","arguments":{"n":1.00000000000000000001e400}}}',
    ],
    [
      'duplicates that only the server reads',
      '{"id":1,"method":"tools/call","params":{"name":"safe","arguments":{"a":1,"a":2,"__proto__":1}}}',
    ],
    [
      'a decoy',
      '{"id":1,"method":"tools/call","params":{"name":"safe","arguments":{"name":"danger","method":"danger"}}}',
    ],
  ])('allowed, byte for byte: %s', (_, body) => passed(body))

  it('a batch that mixes allowed and denied is refused as a whole, in either order', async () => {
    await refused(JSON.stringify([call('safe'), call('danger', 2)]), 403)
    await refused(JSON.stringify([call('danger'), call('safe', 2)]), 403)
    await passed(JSON.stringify([call('safe'), call('other', 2)]))
  })
})

describe('headers that say something else than the body (P-13, C6)', () => {
  const headers = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'safe' }
  const danger = CALL.replace('safe', 'danger')

  it('a harmless header before a denied body is refused', async () => {
    expect((await refused(danger, 400, headers)).json()).toMatchObject({ id: 1, error: { code: -32020 } })
    await refused(danger, 400, { ...headers, 'mcp-method': 'tools/list' })
    await refused(danger, 400, { 'mcp-name': 'safe' })
  })

  it('a denied header before a harmless body is refused, in any spelling', async () => {
    for (const name of ['danger', `=?base64?${btoa('danger')}?=`, 'safe,danger', '=?base64?ZGFuZ2Vy', 'Safe'])
      await refused(CALL, 400, { ...headers, 'mcp-name': name })
  })

  it('an older revision in the header does not switch the comparison off', async () => {
    await refused(CALL, 400, { ...headers, 'mcp-protocol-version': '2025-11-25', 'mcp-name': 'danger' })
  })

  it('both denied are denied, both allowed are allowed', async () => {
    await refused(danger, 403, { ...headers, 'mcp-name': 'danger' })
    await passed(CALL, headers)
  })
})

describe('bodies that are something else than they look like', () => {
  it.each([
    ['gzip', { 'content-encoding': 'gzip' }],
    ['deflate', { 'content-encoding': 'deflate' }],
    ['a coding behind identity', { 'content-encoding': 'identity, gzip' }],
    ['UTF-7', { 'content-type': 'application/json; charset=utf-7' }],
    ['UTF-16', { 'content-type': 'application/json; charset=utf-16' }],
    ['two charsets', { 'content-type': 'application/json; charset=utf-8; charset=utf-7' }],
    ['a form', { 'content-type': 'application/x-www-form-urlencoded' }],
    ['a type that only begins like JSON', { 'content-type': 'application/jsonp' }],
    ['text', { 'content-type': 'text/plain' }],
  ])('%s is refused with 415', async (_, headers) => {
    await refused(CALL, 415, headers)
  })

  it('a compressed body is refused with 415 before it is looked at', async () => {
    await refused(gzipSync(CALL.replace('safe', 'danger')), 415, { 'content-encoding': 'gzip' })
  })

  it.each([
    'application/json',
    'application/json; charset=utf-8',
    'application/json;charset="UTF-8"',
    'Application/JSON',
  ])('%s is what it says', (type) => passed(CALL, { 'content-type': type, 'content-encoding': 'identity' }))
})

describe('bodies in chunks', () => {
  async function chunked(chunks: readonly string[]) {
    const { accessToken } = await rig.tokens('/strict', 'all')
    const { host } = new URL(rig.gateway.issuer)
    const head = `POST /strict HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${accessToken}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n`
    const body = chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('')
    return statuses(await rawAsk(rig.gateway.issuer, `${head}${body}0\r\n\r\n`))
  }

  it('are put together before they are judged, and arrive whole', async () => {
    expect(await chunked([...CALL])).toEqual([200])
    expect(rig.reached.map((one) => [one.body.toString(), one.headers['content-length']])).toEqual([
      [CALL, String(CALL.length)],
    ])
    rig.reached.length = 0
    expect(await chunked([...CALL.replace('safe', 'danger')])).toEqual([403])
    expect(await chunked([CALL.slice(0, 20), CALL.slice(20, -1), ',"id":2}'])).toEqual([400])
    expect(rig.reached).toEqual([])
  })

  it('end at the limit with 413, announced or not (P-20)', async () => {
    const filler = CALL.replace('"safe"', `"safe","arguments":{"x":"${'x'.repeat(65_000)}"}`)
    await passed(filler)
    rig.reached.length = 0
    await refused(filler.replace('xxx', 'x'.repeat(1000)), 413)
    expect(await chunked(Array(20).fill('x'.repeat(8000)))).toEqual([413])
    expect(rig.reached).toEqual([])
  })
})

it('B214 on a route without rules all of it passes untouched: it is the server’s to judge', async () => {
  const bodies = [`\ufeff${CALL}`, `${CALL} x`, '{"method":"ping","method":"tools/call"}', '[]']
  for (const body of bodies) expect((await rig.post('/plain', body)).status).toBe(200)
  const zipped = gzipSync(CALL)
  expect((await rig.post('/plain', zipped, { headers: { 'content-encoding': 'gzip' } })).status).toBe(200)
  expect(rig.reached.map((one) => one.body)).toEqual([...bodies.map((body) => Buffer.from(body)), zipped])
})
