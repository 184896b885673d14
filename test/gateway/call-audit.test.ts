import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { canonicalJson } from '../../src/domain/canonical-json.ts'
import { ask } from '../fixtures/http-exchange.ts'
import { obtainTokens } from '../fixtures/oauth-requests.ts'
import { ALICE, call, type PolicyGateway, startPolicyGateway } from '../fixtures/policy-gateway.ts'

const STATIC = { client_id: 'declared', redirect_uris: ['http://127.0.0.1:9/declared'] }
const ARGUMENTS = { path: '/secret-argument', nested: { b: 2, a: [1, 'x'] } }

let rig: PolicyGateway

beforeAll(async () => {
  rig = await startPolicyGateway(
    { '/noted': {}, '/ruled': { tools: { deny: ['danger'] } } },
    { audit: { calls: true }, clients: { static: [STATIC] } },
  )
})
afterAll(() => rig.close())
beforeEach(() => {
  rig.answer = {}
  rig.reached.length = 0
})

/** The events of one request; it is noted when its answer has gone, which the client may see a moment earlier. */
async function noted(requestId: unknown, count = 1): Promise<Record<string, unknown>[]> {
  const find = () => rig.audited('call').filter((event) => event.requestId === requestId)
  await expect.poll(() => find().length).toBe(count)
  return find()
}

function toolCall(args: unknown, tool = 'get_x') {
  return { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: tool, arguments: args } }
}

describe('a call in the audit trail', () => {
  it('names user, client and how it is known, route, method, tool, status, sizes and time', async () => {
    rig.answer = { pieces: ['{"jsonrpc":"2.0","id":1,"result":{"content":[]}}'] }
    const body = JSON.stringify(toolCall(ARGUMENTS))
    const answer = await rig.post('/noted', body)
    const [event] = await noted(answer.headers['x-request-id'])
    expect(event).toMatchObject({
      audit: true,
      event: 'call',
      outcome: 'success',
      user: { provider: 'home', subject: 'alice' },
      client: { id: rig.client.clientId, verified: 'registered' },
      routePath: '/noted',
      method: 'tools/call',
      tool: 'get_x',
      status: 200,
      requestBytes: body.length,
      responseBytes: answer.body.length,
      address: '127.0.0.1',
    })
    expect(event?.durationMs).toBeGreaterThanOrEqual(0)
    expect(event?.grantId).toMatch(/./)
    expect(rig.reached.map((one) => one.body.toString())).toEqual([body])
  })

  it('has a keyed digest of the arguments and never the arguments', async () => {
    const digests: unknown[] = []
    for (const args of [
      ARGUMENTS,
      { nested: { a: [1, 'x'], b: 2.0 }, path: '/secret-argument' },
      { ...ARGUMENTS, path: '/other' },
    ]) {
      const answer = await rig.post('/noted', toolCall(args))
      const [event] = await noted(answer.headers['x-request-id'])
      digests.push(event?.argumentDigest)
    }
    const [first, reordered, other] = digests
    expect(first).toMatch(/^[A-Za-z0-9_-]{43}$/)
    expect(reordered).toBe(first)
    expect(other).not.toBe(first)
    expect(first).not.toBe(createHmac('sha256', '').update(canonicalJson(ARGUMENTS)).digest('base64url'))
    expect(rig.gateway.output()).not.toContain('secret-argument')
  })

  it('is there for each message of a batch, and not for notifications and responses', async () => {
    const answer = await rig.post('/noted', [
      toolCall({}, 'one'),
      { jsonrpc: '2.0', id: 2, method: 'resources/read', params: { uri: 'x:y' } },
      { jsonrpc: '2.0', method: 'notifications/initialized' },
      { jsonrpc: '2.0', id: 3, result: {} },
    ])
    const events = await noted(answer.headers['x-request-id'], 2)
    expect(events.map(({ method, tool }) => [method, tool])).toEqual([
      ['tools/call', 'one'],
      ['resources/read', undefined],
    ])
    const methods = rig.audited('call').map(({ method }) => method)
    expect(methods).not.toContain('notifications/initialized')
  })

  it('says what the client was told, whatever it was', async () => {
    rig.answer = { status: 404, pieces: ['{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"x"}}'] }
    const missing = await rig.post('/noted', toolCall({}))
    expect(await noted(missing.headers['x-request-id'])).toMatchObject([{ status: 404, responseBytes: 62 }])
    rig.answer = { status: 401 }
    const refused = await rig.post('/noted', toolCall({}))
    const [event] = await noted(refused.headers['x-request-id'])
    expect(event).toMatchObject({ status: 502 })
    expect(event).not.toHaveProperty('responseBytes')
  })

  it('is one event for a refused call, with the reason', async () => {
    const answer = await rig.post('/ruled', toolCall(ARGUMENTS, 'danger'))
    expect(answer.status).toBe(403)
    const requestId = answer.headers['x-request-id']
    const refusals = rig.audited('call_refused').filter((event) => event.requestId === requestId)
    expect(refusals).toMatchObject([
      { outcome: 'refused', reason: 'tool_denied', tool: 'danger', method: 'tools/call' },
    ])
    expect(rig.audited('call').filter((event) => event.requestId === requestId)).toEqual([])
  })

  it('keeps no more than the beginning of a name that a caller chose', async () => {
    const answer = await rig.post('/noted', toolCall({}, 'x'.repeat(5000)))
    const [event] = await noted(answer.headers['x-request-id'])
    expect(event?.tool).toBe('x'.repeat(128))
  })

  it('knows the clients that the operator declared', async () => {
    const client = { clientId: 'declared', redirectUri: 'http://127.0.0.1:9/declared' }
    const { accessToken } = await obtainTokens(rig.gateway.issuer, client, { resource: rig.url('/noted') }, ALICE)
    const headers = { authorization: `Bearer ${accessToken}` }
    const answer = await ask(rig.url('/noted'), { body: toolCall({}), headers })
    expect(await noted(answer.headers['x-request-id'])).toMatchObject([
      { client: { id: 'declared', verified: 'static' } },
    ])
  })

  it('is noted as unanswered when the client left', async () => {
    rig.answer = { headers: { 'content-type': 'text/event-stream' }, pieces: [': open\n\n'], open: true }
    const { accessToken } = await rig.tokens('/noted')
    const answer = await fetch(rig.url('/noted'), {
      method: 'POST',
      body: JSON.stringify(toolCall({}, 'slow')),
      headers: { authorization: `Bearer ${accessToken}`, 'content-type': 'application/json' },
    })
    expect(rig.audited('call').filter(({ tool }) => tool === 'slow')).toEqual([])
    await answer.body?.cancel()
    expect(await noted(answer.headers.get('x-request-id'))).toMatchObject([{ tool: 'slow', status: 200 }])
  })

  it('cannot be made to lie: what could be read in two ways is refused (B214)', async () => {
    const body = '{"id":1,"method":"tools/call","params":{"name":"safe","name":"danger"}}'
    expect((await rig.post('/noted', body)).status).toBe(400)
    expect(rig.reached).toEqual([])
  })
})

describe('without calls: true', () => {
  it('no call is noted and no body is looked at', async () => {
    const quiet = await startPolicyGateway({ '/plain': {} })
    try {
      expect((await quiet.post('/plain', call('get_x'))).status).toBe(200)
      expect((await quiet.post('/plain', 'no JSON at all')).status).toBe(200)
      expect(quiet.audited('call')).toEqual([])
    } finally {
      await quiet.close()
    }
  })
})

it('canonical JSON does not depend on order, spelling or white space (RFC 8785)', () => {
  const same = ['{"b":[1.0,"\\u0061",null],"a":{"d":true,"c":1e2}}', ' { "a":{"c":100,"d":true},"b":[1,"a",null] } ']
  expect(same.map((text) => canonicalJson(JSON.parse(text)))).toEqual(
    Array(2).fill('{"a":{"c":100,"d":true},"b":[1,"a",null]}'),
  )
})
