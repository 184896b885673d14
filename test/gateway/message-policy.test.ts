import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ask, rawAsk, statuses } from '../fixtures/http-exchange.ts'
import { authorizeUrl, browserFor, refresh, tokensOf } from '../fixtures/oauth-requests.ts'
import { call, type PolicyGateway, startPolicyGateway } from '../fixtures/policy-gateway.ts'

const SCOPES = {
  'repo:read': { tools: ['get_*'], methods: ['resources/*'] },
  'repo:write': { tools: ['push'], includes: ['repo:read'] },
  'org:admin': { tools: ['*'] },
}

let rig: PolicyGateway

beforeAll(async () => {
  rig = await startPolicyGateway({
    '/tools': { tools: { allow: ['get_*', 'push'], deny: ['get_secret'] } },
    '/scopes': { scopes: SCOPES, default_scopes: ['repo:read'], tools: { deny: ['drop'] } },
    '/plain': {},
  })
})
afterAll(() => rig.close())
beforeEach(() => {
  rig.reached.length = 0
  rig.answer = {}
})

describe('which tools can be called (S-07)', () => {
  it('passes an allowed call, byte for byte (P-12)', async () => {
    const body =
      '{ "method":"tools\\/call", "id":1, "params":{"arguments":{"n":1.0e2,"big":123456789012345678901},"name":"get_\\u0061"} ,"jsonrpc":"2.0"}\n'
    const answer = await rig.post('/tools', body)
    expect(answer.status).toBe(200)
    expect(rig.reached.map((one) => one.body.toString())).toEqual([body])
    expect(rig.reached[0]?.headers['content-length']).toBe(String(Buffer.byteLength(body)))
  })

  it.each(['get_secret', 'drop', 'push2', 'Push', 'get'])(
    'refuses %s with 403 and no challenge, so that clients do not ask for ever',
    async (tool) => {
      const answer = await rig.post('/tools', call(tool, 'seven'))
      expect(answer.status).toBe(403)
      expect(answer.headers['www-authenticate']).toBeUndefined()
      expect(answer.json()).toMatchObject({ jsonrpc: '2.0', id: 'seven', error: { code: 403 } })
      expect(answer.body).not.toContain(tool)
      expect(rig.reached).toEqual([])
    },
  )

  it('keeps the connection of a refused call for the next one (RFC 9112 §9.3)', async () => {
    const { accessToken } = await rig.tokens('/tools')
    const bytes = (tool: string, lines: string) => {
      const body = JSON.stringify(call(tool))
      const head = `POST /tools HTTP/1.1\r\nHost: ${new URL(rig.gateway.issuer).host}\r\nAuthorization: Bearer ${accessToken}\r\n`
      return `${head}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n${lines}\r\n${body}`
    }
    const received = await rawAsk(rig.gateway.issuer, bytes('drop', '') + bytes('get_a', 'Connection: close\r\n'))
    expect(statuses(received)).toEqual([403, 200])
  })

  it('says nothing about other methods, notifications and responses', async () => {
    for (const body of [
      { jsonrpc: '2.0', id: 1, method: 'resources/read', params: { uri: 'x:y' } },
      { jsonrpc: '2.0', method: 'notifications/initialized' },
      { jsonrpc: '2.0', id: 1, result: { action: 'accept' } },
    ])
      expect((await rig.post('/tools', body)).status).toBe(200)
    expect(rig.reached).toHaveLength(3)
  })

  it('a batch stands or falls as a whole (P-18)', async () => {
    expect((await rig.post('/tools', [call('get_a'), call('push', 2)])).status).toBe(200)
    expect((await rig.post('/tools', [call('get_a'), call('drop', 2)])).status).toBe(403)
    expect(rig.reached).toHaveLength(1)
  })

  it('streams and the end of a session are not messages', async () => {
    for (const method of ['GET', 'DELETE']) expect((await rig.post('/tools', '', { method })).status).toBe(200)
  })

  it('is counted by reason', async () => {
    await rig.post('/tools', call('drop'))
    const metrics = (await ask(`${rig.gateway.operations}/metrics`)).body
    expect(metrics).toMatch(/gatehouse_requests_total\{route="\/tools",outcome="tool_denied"\} [1-9]/)
  })
})

describe('which scope a call takes (S-05, S-06, D-53, B187)', () => {
  it('asks for the first scopes at the door and in the metadata (D-09, D-51), and names all at the issuer', async () => {
    const challenge = (await ask(rig.url('/scopes'), { body: {} })).headers['www-authenticate']
    expect(challenge).toContain('scope="repo:read"')
    const { issuer } = rig.gateway
    const resource = (await ask(`${issuer}/.well-known/oauth-protected-resource/scopes`)).json()
    expect(resource.scopes_supported).toEqual(['repo:read'])
    const server = (await ask(`${issuer}/.well-known/oauth-authorization-server`)).json()
    expect(server.scopes_supported).toEqual(expect.arrayContaining(['mcp', 'repo:read', 'repo:write', 'org:admin']))
  })

  it('challenges for everything that is missing, together with what the token has', async () => {
    const answer = await rig.post('/scopes', [call('push'), call('other', 2)])
    expect(answer.status).toBe(403)
    expect(answer.headers['www-authenticate']).toBe(
      'Bearer error="insufficient_scope", error_description="the access token does not permit this operation", ' +
        `resource_metadata="${rig.gateway.issuer}/.well-known/oauth-protected-resource/scopes", ` +
        'scope="repo:read repo:write org:admin"',
    )
    expect(answer.json()).toMatchObject({ error: { code: 403 }, id: null })
    expect(rig.reached).toEqual([])
    expect(rig.audited('call_refused').at(-1)).toMatchObject({
      outcome: 'refused',
      reason: 'insufficient_scope',
      granted: ['repo:read'],
      missing: ['repo:write', 'org:admin'],
      user: { provider: 'home', subject: 'alice' },
      requestId: answer.headers['x-request-id'],
    })
  })

  it.each([
    ['repo:read', 'get_a', 200],
    ['repo:read', 'push', 403],
    ['repo:write', 'push', 200],
    ['repo:write', 'get_a', 200],
    ['org:admin', 'anything', 200],
    [undefined, 'push', 403],
    [undefined, 'get_a', 200],
    ['repo:write unheard:of', 'push', 200],
  ])('a token for %s calls %s: %i', async (scope, tool, status) => {
    const answer = await rig.post('/scopes', call(tool), scope === undefined ? {} : { scope })
    expect(answer.status).toBe(status)
    expect(rig.reached).toHaveLength(status === 200 ? 1 : 0)
  })

  it('a denied tool stays denied under every scope, and nothing is offered for it (S-07)', async () => {
    const answer = await rig.post('/scopes', call('drop'), { scope: 'repo:read repo:write org:admin' })
    expect(answer.status).toBe(403)
    expect(answer.headers['www-authenticate']).toBeUndefined()
    const mixed = await rig.post('/scopes', [call('push'), call('drop', 2)])
    expect(mixed.headers['www-authenticate']).toBeUndefined()
  })

  it('what was granted is in the audit trail, beside what was missing', async () => {
    await rig.tokens('/scopes', 'repo:read org:admin')
    expect(rig.audited('signed_in').at(-1)).toMatchObject({ routePath: '/scopes', scopes: ['repo:read', 'org:admin'] })
  })

  it('the consent page names the scopes, and a token says which it has', async () => {
    const browser = browserFor(rig.client)
    const page = await browser.get(
      authorizeUrl(rig.gateway.issuer, rig.client, { resource: rig.url('/scopes'), scope: 'repo:write org:admin x' }),
    )
    expect(page.body).toContain('repo:write, org:admin')
    expect(page.body).not.toContain('repo:read')
  })

  it('a refreshed token has the scopes of its grant, or fewer where the client wants fewer (RFC 6749 §6)', async () => {
    const { issuer } = rig.gateway
    const first = await rig.tokens('/scopes', 'repo:read org:admin')
    const narrow = await refresh(issuer, rig.client, first.refreshToken, { scope: 'repo:read' })
    const tokens = tokensOf(rig.client, narrow)
    const push = {
      body: JSON.stringify(call('push')),
      headers: { 'content-type': 'application/json', authorization: `Bearer ${tokens.accessToken}` },
    }
    expect((await ask(rig.url('/scopes'), push)).status).toBe(403)
    expect((await refresh(issuer, rig.client, tokens.refreshToken, { scope: 'repo:write' })).json()).toMatchObject({
      error: 'invalid_scope',
    })
  })
})

describe('headers that repeat the body (P-13, C6)', () => {
  const META = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28' }
  const modern = { ...call('get_a', 'x'), params: { name: 'get_a', arguments: {}, _meta: META } }
  const HEADERS = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'get_a' }
  const mismatch = { jsonrpc: '2.0', id: 'x', error: { code: -32020 } }

  it('pass unchanged when they agree, as they are or in base64 (P-11, P-14)', async () => {
    expect((await rig.post('/tools', modern, { headers: HEADERS })).status).toBe(200)
    const encoded = { ...HEADERS, 'mcp-name': `=?base64?${btoa('get_a')}?=` }
    expect((await rig.post('/tools', modern, { headers: encoded })).status).toBe(200)
    expect(rig.reached[1]?.headers).toMatchObject(encoded)
  })

  it.each([
    { 'mcp-name': 'get_secret' },
    { 'mcp-name': '=?base64?!?=' },
    { 'mcp-method': 'tools/list' },
    { 'mcp-protocol-version': '2099-01-01' },
  ])('are refused with -32020 and the id of the request when they do not: %j (P-14, P-81)', async (change) => {
    const answer = await rig.post('/tools', modern, { headers: { ...HEADERS, ...change } })
    expect([answer.status, answer.json()]).toMatchObject([400, mismatch])
    expect(rig.reached).toEqual([])
  })

  it('are required of the revisions that have them, and of no other', async () => {
    for (const name of ['mcp-method', 'mcp-name'] as const) {
      const { [name]: _, ...headers } = HEADERS
      expect((await rig.post('/tools', modern, { headers })).json()).toMatchObject(mismatch)
    }
    expect(
      (await rig.post('/tools', call('get_a'), { headers: { 'mcp-protocol-version': '2025-11-25' } })).status,
    ).toBe(200)
    expect((await rig.post('/tools', call('get_a'))).status).toBe(200)
  })

  it('are the server’s business on a route without rules', async () => {
    expect((await rig.post('/plain', modern, { headers: { ...HEADERS, 'mcp-name': 'other' } })).status).toBe(200)
  })
})

it('W3C trace context passes (P-16)', async () => {
  const headers = {
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    tracestate: 'congo=t61rcWkgMzE,rojo=00f067aa0ba902b7',
    baggage: 'userId=alice,serverNode=DF%2028',
  }
  for (const path of ['/plain', '/tools']) expect((await rig.post(path, call('get_a'), { headers })).status).toBe(200)
  for (const one of rig.reached) expect(one.headers).toMatchObject(headers)
})
