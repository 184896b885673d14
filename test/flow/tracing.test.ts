import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../fixtures/free-port.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { ask } from '../fixtures/http-exchange.ts'
import { type IdentityProvider, startIdentityProvider } from '../fixtures/identity-provider.ts'
import { callMcp } from '../fixtures/mcp-call.ts'
import { type OAuthClient, registerClient } from '../fixtures/oauth-client.ts'
import { type OtlpReceiver, type ReceivedSpan, startOtlpReceiver } from '../fixtures/otlp-receiver.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'
import { oidcProviders } from '../fixtures/provider-gateway.ts'
import { findSecrets } from '../fixtures/secret-search.ts'

const COLLECTOR_TOKEN = 'collector-token-CANARY-77d1'
const SHARED_PAT = 'shared-pat-CANARY-51c0'
const ARGUMENT = 'argument-CANARY-03ab'

let server: PlainServer
let provider: IdentityProvider
/** What the MCP server got with the last request. */
let received: IncomingHttpHeaders = {}
let body = ''
let status = 200

beforeAll(async () => {
  provider = await startIdentityProvider()
  server = await startPlainServer(async (request, response) => {
    received = request.headers
    body = await text(request)
    response.writeHead(status, { 'content-type': 'application/json' }).end('{}')
  })
  return async () => {
    await Promise.all([server.close(), provider.close()])
  }
})

async function startGateway(telemetry?: Record<string, unknown>): Promise<TestGateway> {
  const credential = { kind: 'static', value: SHARED_PAT }
  const gateway = await startTestGateway({
    providers: oidcProviders(provider),
    routes: {
      '/mcp': { upstream: server.url, sign_in: 'corp', credential },
      '/ruled': { upstream: server.url, sign_in: 'corp', credential, tools: { deny: ['drop_*'] } },
    },
    ...(telemetry === undefined ? {} : { telemetry }),
  })
  provider.allowRedirect(`${gateway.issuer}/callback/corp`)
  return gateway
}

/** A new `traceparent` that asks to be sampled, or not. */
function traceparent(flags = '01') {
  const [trace, id] = [randomBytes(16).toString('hex'), randomBytes(8).toString('hex')]
  return { trace, id, header: `00-${trace}-${id}-${flags}` }
}

const toolCall = (name: string) =>
  JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: { path: ARGUMENT } } })

function byKind(spans: readonly ReceivedSpan[]) {
  return { served: spans.find(({ kind }) => kind === 2), called: spans.find(({ kind }) => kind === 3) }
}

describe('with a collector', () => {
  let collector: OtlpReceiver
  let gateway: TestGateway
  let client: OAuthClient
  let token: string
  let ruled: string
  const mcp = (init: RequestInit = {}) => callMcp(`${gateway.issuer}/mcp`, token, init)

  beforeAll(async () => {
    collector = await startOtlpReceiver()
    gateway = await startGateway({
      otlp_endpoint: collector.endpoint,
      headers: { Authorization: `Bearer ${COLLECTOR_TOKEN}` },
      service_name: 'gateway of the test',
    })
    client = await registerClient(gateway.issuer)
    token = (await client.obtain(`${gateway.issuer}/mcp`)).access_token
    ruled = (await client.obtain(`${gateway.issuer}/ruled`)).access_token
  })
  afterEach(() => {
    status = 200
  })
  afterAll(async () => {
    await gateway.close()
    await collector.close()
  })

  it("a request is a span below the caller's, the call to the MCP server one below that, and the server gets its context, in headers alone (P-16, P-92)", async () => {
    const { trace, id, header } = traceparent()
    const headers = { traceparent: header, tracestate: 'vendor=1,other=2', baggage: 'user=alice' }
    const sent = `{ "jsonrpc":"2.0","id":1,"method":"ping", "params":{"_meta":{"traceparent":"${header}"}} }`
    expect((await mcp({ headers, body: sent })).status).toBe(200)
    expect(body).toBe(sent)
    const { served, called } = byKind(await collector.ofTrace(trace, 2))
    expect(served).toMatchObject({ name: 'POST /mcp', parent: id, status: 0 })
    expect(served?.attributes).toEqual({
      'http.request.method': 'POST',
      'http.route': '/mcp',
      'http.response.status_code': 200,
      'gatehouse.outcome': 'answered',
      'gatehouse.request_id': expect.stringMatching(/^[0-9a-f-]{36}$/),
    })
    expect(called).toMatchObject({ name: 'POST', parent: served?.id, status: 0, state: 'vendor=1,other=2' })
    expect(called?.attributes).toEqual({
      'http.request.method': 'POST',
      'http.response.status_code': 200,
      'server.address': '127.0.0.1',
      'server.port': Number(new URL(server.url).port),
    })
    expect(received).toMatchObject({
      traceparent: `00-${trace}-${called?.id}-01`,
      tracestate: 'vendor=1,other=2',
      baggage: 'user=alice',
    })
    expect(collector.services).toEqual(new Set(['gateway of the test']))
    expect(collector.exports[0]).toMatchObject({
      url: '/v1/traces',
      headers: { authorization: `Bearer ${COLLECTOR_TOKEN}`, 'content-type': 'application/x-protobuf' },
    })
  })

  it.each([
    ['no trace context', {}],
    ['one that is all zeros', { traceparent: `00-${'0'.repeat(32)}-${'0'.repeat(16)}-01`, tracestate: 'a=1' }],
    ['one of an unknown form', { traceparent: 'ff-planted', tracestate: 'a=1' }],
  ])(
    "a request with %s begins a trace; tracestate without a parent is nobody's (W3C Trace Context §3.3)",
    async (_, headers) => {
      expect((await mcp({ headers })).status).toBe(200)
      const [, trace = '', id] = /^00-([0-9a-f]{32})-([0-9a-f]{16})-01$/.exec(String(received.traceparent)) ?? []
      expect(received.tracestate).toBeUndefined()
      const { served, called } = byKind(await collector.ofTrace(trace, 2))
      expect([served?.parent, called?.parent, called?.id]).toEqual(['', served?.id, id])
    },
  )

  it('a caller that asks not to be sampled is not, and its context still passes on', async () => {
    const { trace, header } = traceparent('00')
    expect((await mcp({ headers: { traceparent: header } })).status).toBe(200)
    expect(received.traceparent).toMatch(new RegExp(`^00-${trace}-[0-9a-f]{16}-00$`))
    const later = traceparent()
    await mcp({ headers: { traceparent: later.header } })
    await collector.ofTrace(later.trace, 2)
    expect(collector.spans.filter((span) => span.trace === trace)).toEqual([])
  })

  it('says which tool is called where headers name it, or where the body is read anyway', async () => {
    const [named, read, denied] = [traceparent(), traceparent(), traceparent()]
    const headers = { 'mcp-method': 'tools/call', 'mcp-name': 'list_files', 'mcp-protocol-version': '2026-07-28' }
    await mcp({ headers: { ...headers, traceparent: named.header }, body: toolCall('list_files') })
    const post = (tool: string, header: string) =>
      callMcp(`${gateway.issuer}/ruled`, ruled, { headers: { traceparent: header }, body: toolCall(tool) })
    expect((await post('list_files', read.header)).status).toBe(200)
    expect((await post('drop_all', denied.header)).status).toBe(403)
    const tool = { 'mcp.method.name': 'tools/call', 'gen_ai.tool.name': 'list_files' }
    expect(byKind(await collector.ofTrace(named.trace, 2)).served?.attributes).toMatchObject(tool)
    expect(byKind(await collector.ofTrace(read.trace, 2)).served?.attributes).toMatchObject(tool)
    const [refused] = await collector.ofTrace(denied.trace, 1)
    expect(refused?.attributes).toMatchObject({
      'gatehouse.outcome': 'tool_denied',
      'gen_ai.tool.name': 'drop_all',
      'http.response.status_code': 403,
    })
  })

  it('a refused request is a span that says why, and reaches nobody', async () => {
    const { trace, header } = traceparent()
    const answer = await callMcp(`${gateway.issuer}/mcp`, 'planted', { headers: { traceparent: header } })
    expect(answer.status).toBe(401)
    const spans = await collector.ofTrace(trace, 1)
    expect(spans).toHaveLength(1)
    expect(spans[0]?.attributes).toMatchObject({
      'gatehouse.outcome': 'invalid_token',
      'http.response.status_code': 401,
    })
  })

  it('an error of the MCP server is one in both spans', async () => {
    status = 500
    const { trace, header } = traceparent()
    expect((await mcp({ headers: { traceparent: header } })).status).toBe(500)
    const spans = await collector.ofTrace(trace, 2)
    expect(spans.map((span) => [span.status, span.attributes['error.type']])).toEqual([
      [2, '500'],
      [2, '500'],
    ])
  })

  it('a sign-in is one span for each step, with the calls to the provider below', async () => {
    await client.obtain(`${gateway.issuer}/mcp`)
    const marker = traceparent()
    await mcp({ headers: { traceparent: marker.header } })
    await collector.ofTrace(marker.trace, 2)
    const names = new Set(collector.spans.map(({ name }) => name))
    for (const name of ['POST /register', 'GET /authorize', 'POST /consent', 'GET /callback/:provider', 'POST /token'])
      expect(names).toContain(name)
    const finish = collector.spans.find(({ name }) => name === 'provider finish')
    expect(finish?.attributes).toEqual({ 'gatehouse.provider': 'corp', 'gatehouse.outcome': 'signed-in' })
    const callback = collector.spans.find(({ id }) => id === finish?.parent)
    expect(callback?.name).toBe('GET /callback/:provider')
    const begin = collector.spans.find(({ name }) => name === 'provider begin')
    expect(collector.spans.find(({ id }) => id === begin?.parent)?.name).toBe('POST /consent')
  })

  it('what is exported holds no token, no credential, no argument and no user (B263)', async () => {
    const issued = await client.obtain(`${gateway.issuer}/mcp`)
    const last = traceparent()
    const headers = { traceparent: last.header, 'mcp-method': 'resources/read', 'mcp-name': `file:///${ARGUMENT}` }
    await callMcp(`${gateway.issuer}/mcp`, issued.access_token, { headers, body: toolCall('list_files') })
    await collector.ofTrace(last.trace, 2)
    const exported = Buffer.concat(collector.exports.map(({ bytes }) => bytes)).toString('latin1')
    // Otherwise the search would prove nothing.
    expect(exported).toContain('list_files')
    const secrets = [
      { name: 'access token', value: issued.access_token },
      { name: 'refresh token', value: issued.refresh_token },
      { name: 'credential', value: SHARED_PAT },
      { name: 'collector token', value: COLLECTOR_TOKEN },
      { name: 'argument', value: ARGUMENT },
      { name: "provider's client secret", value: provider.clientSecret },
    ]
    expect(findSecrets(exported, secrets)).toEqual([])
    expect(exported).not.toMatch(/alice|@example|mgh_/)
  })
})

describe('without a collector', () => {
  it('not one module of OpenTelemetry is loaded', async () => {
    const server = new URL('../../src/server.ts', import.meta.url).href
    const script = `import { registerHooks } from 'node:module'
      const seen = []
      registerHooks({ resolve: (name, context, next) => (seen.push(name), next(name, context)) })
      await import(${JSON.stringify(server)})
      console.log(JSON.stringify(seen))`
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script])
    const seen: string[] = JSON.parse(stdout)
    expect(seen).toContain('prom-client')
    // The API alone comes with prom-client.
    expect(seen.filter((name) => /otlp|opentelemetry\/(?!api\b)/.test(name))).toEqual([])
  })

  it('trace context passes as it came, and nothing is added (P-16)', async () => {
    const gateway = await startGateway()
    const client = await registerClient(gateway.issuer)
    const { access_token } = await client.obtain(`${gateway.issuer}/mcp`)
    const headers = { traceparent: traceparent().header, tracestate: 'vendor=1', baggage: 'user=alice' }
    await callMcp(`${gateway.issuer}/mcp`, access_token, { headers })
    expect(received).toMatchObject(headers)
    await callMcp(`${gateway.issuer}/mcp`, access_token)
    expect(received).not.toHaveProperty('traceparent')
    await gateway.close()
  })
})

describe('a collector that fails', () => {
  /** What requests notice of a collector; and whether the gateway still closes. */
  async function serve(endpoint: string, failed: (gateway: TestGateway) => Promise<unknown>): Promise<string> {
    const gateway = await startGateway({ otlp_endpoint: endpoint })
    const client = await registerClient(gateway.issuer)
    const { access_token } = await client.obtain(`${gateway.issuer}/mcp`)
    const call = () => callMcp(`${gateway.issuer}/mcp`, access_token)
    // More than may wait.
    for (let sent = 0; sent < 1200; sent += 50) {
      const answers = await Promise.all(Array.from({ length: 50 }, call))
      expect(answers.every(({ status }) => status === 200)).toBe(true)
      for (const answer of answers) await answer.text()
    }
    await failed(gateway)
    expect((await call()).status).toBe(200)
    await gateway.close()
    return gateway.output()
  }

  async function untilCounted(gateway: TestGateway): Promise<void> {
    while (!/gatehouse_spans_total\{outcome="failed"\} [1-9]/.test((await ask(`${gateway.operations}/metrics`)).body));
  }

  it('by being away is noticed by nobody but the log and the metrics, once (C63)', async () => {
    const output = await serve(`http://127.0.0.1:${await freePort()}`, untilCounted)
    expect(output.match(/the collector does not take traces/g)).toHaveLength(1)
  }, 30_000)

  it('by refusing is noticed by nobody but the log and the metrics', async () => {
    const collector = await startOtlpReceiver()
    collector.mode = 'refuse'
    expect(await serve(collector.endpoint, untilCounted)).toContain('the collector does not take traces')
    await collector.close()
  }, 30_000)

  it('by never answering holds up no request and no shutdown', async () => {
    const collector = await startOtlpReceiver()
    collector.mode = 'hang'
    const first = collector.nextExport()
    await serve(collector.endpoint, () => first)
    expect(collector.exports.length).toBeGreaterThan(0)
    await collector.close()
  }, 30_000)
})
