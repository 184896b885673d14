import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type SpawnedGateway, spawnTestGateway } from '../fixtures/gateway.ts'
import { callMcp } from '../fixtures/mcp-call.ts'
import { type OAuthClient, registerClient } from '../fixtures/oauth-client.ts'
import { ALICE, passwordProviders } from '../fixtures/password-provider.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'
import { type SseServer, startSseServer } from '../fixtures/sse-server.ts'

// The transport of 2024-11-05: a GET opens a stream, its first event says where to post, answers come on the stream.

let server: SseServer
let scripted: PlainServer
/** What the scripted server sends on its stream. */
let stream = ''
let posted: string[] = []
let gateway: SpawnedGateway
let client: OAuthClient
let route: string
let plain: string

beforeAll(async () => {
  server = await startSseServer()
  scripted = await startPlainServer((request, response) => {
    if (request.method !== 'GET') {
      posted.push(request.url ?? '')
      response.writeHead(202).end('Accepted')
      return
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(stream.replaceAll('{origin}', `http://${request.headers.host}`))
  })
  const credential = { kind: 'static', value: 'shared' }
  gateway = await spawnTestGateway({
    providers: await passwordProviders(),
    routes: {
      '/old': { upstream: server.url, sign_in: 'home', transport: 'sse', credential },
      '/plain': { upstream: scripted.url, sign_in: 'home', transport: 'sse' },
      '/new': { upstream: scripted.url, sign_in: 'home' },
    },
  })
  client = await registerClient(gateway.issuer)
  route = `${gateway.issuer}/old`
  plain = `${gateway.issuer}/plain`
})

afterAll(async () => {
  await gateway.close()
  await server.close()
  await scripted.close()
})

async function obtain(resource = route): Promise<string> {
  return (await client.obtain(resource, ALICE)).access_token
}

async function connect(token: string): Promise<{ client: Client; endpoint: string }> {
  const headers = { authorization: `Bearer ${token}` }
  const transport = new SSEClientTransport(new URL(route), { requestInit: { headers } })
  const connected = new Client({ name: 'old', version: '1.0.0' })
  await connected.connect(transport)
  const { _endpoint: endpoint } = transport as unknown as { _endpoint: URL }
  return { client: connected, endpoint: endpoint.href }
}

/** The stream of the scripted server as far as `until`, or until it ends. */
async function readStream(token: string, until: string, url = plain): Promise<{ seen: string; broken: boolean }> {
  const leaving = new AbortController()
  const answer = await callMcp(url, token, { method: 'GET', body: null, signal: leaving.signal })
  let seen = ''
  try {
    for await (const chunk of answer.body ?? []) {
      seen += Buffer.from(chunk).toString()
      if (seen.includes(until)) break
    }
    return { seen, broken: false }
  } catch {
    return { seen, broken: true }
  } finally {
    leaving.abort()
  }
}

const ANNOUNCED = /^event: endpoint\ndata: (\/plain\/messages\?endpoint=[A-Za-z0-9._-]+)\n\n/

describe('HTTP with SSE (MCP 2024-11-05)', () => {
  it('works with the official client, and its server sees the credential on both endpoints (P-100, P-101)', async () => {
    const { client: connected, endpoint } = await connect(await obtain())
    expect(connected.getServerVersion()).toMatchObject({ name: 'old' })
    const result = await connected.callTool({ name: 'hello', arguments: {} })
    expect(result.content).toEqual([{ type: 'text', text: 'hello' }])
    await connected.close()
    expect(endpoint).toMatch(/\/old\/messages\?endpoint=[A-Za-z0-9._-]+$/)
    expect(endpoint).not.toMatch(/inner|sessionId/)
    expect(server.requests).toContainEqual(expect.stringMatching(/^POST \/inner\/messages\?sessionId=[0-9a-f-]{36}$/))
    expect(new Set(server.credentials)).toEqual(new Set(['Bearer shared']))
  })

  it('passes the refusal of a POST on, which sends newer clients to the old transport (P-21, P-100)', async () => {
    expect((await callMcp(route, await obtain())).status).toBe(405)
  })

  it('keeps each session to its grant: a POST of another user or without a token reaches nothing (P-102)', async () => {
    const token = await obtain()
    const { client: connected, endpoint } = await connect(token)
    const before = server.requests.length
    const foreign = await callMcp(endpoint, await obtain())
    expect(foreign.status).toBe(404)
    expect(await foreign.json()).toMatchObject({ error: { code: 404 } })
    expect((await callMcp(endpoint, undefined)).status).toBe(401)
    expect((await callMcp(endpoint, token, { method: 'GET', body: null })).status).toBe(405)
    const [path, sealed = ''] = endpoint.split('endpoint=')
    // Not the last letter: some of its bits mean nothing.
    const changed = `${sealed.slice(0, -9)}${sealed.at(-9) === 'A' ? 'B' : 'A'}${sealed.slice(-8)}`
    for (const query of [
      '',
      'endpoint=',
      `endpoint=${changed}`,
      `endpoint=${sealed}&x=1`,
      'endpoint=/inner/messages',
    ]) {
      expect((await callMcp(`${path?.replace(/\?$/, '')}?${query}`, token)).status, query).toBe(404)
    }
    expect(server.requests.length).toBe(before)
    expect(gateway.output()).toContain('"session_refused"')
    expect((await callMcp(endpoint, token, { body: PING })).status).toBe(202)
    await connected.close()
  })

  it('understands its own announcement after a restart: nothing was kept in memory (P-103)', async () => {
    const token = await obtain(plain)
    stream = 'event: endpoint\ndata: /m?session=restart\n\n'
    const { seen } = await readStream(token, '\n\n')
    await gateway.kill()
    await gateway.restart()
    posted = []
    expect((await callMcp(gateway.issuer + (ANNOUNCED.exec(seen)?.[1] ?? ''), token)).status).toBe(202)
    expect(posted).toEqual(['/m?session=restart'])
  })

  it.each([
    ['a path', '/m?s=a%20b', '/m?s=a%20b'],
    ['a relative reference', 'messages/?s=1', '/messages/?s=1'],
    ['an address of its own origin', '{origin}/m?s=1', '/m?s=1'],
  ])('rewrites %s, and not one byte of anything else (P-101, P-104)', async (_, announced, target) => {
    const token = await obtain(plain)
    const rest = ': x\r\n\r\nevent: endpoint\ndata: /kept\n\nid: 1\nretry: 5\ndata: {"é":1}\n\nevent: last\n\n'
    stream = `event: endpoint\ndata: ${announced}\n\n${rest}`
    const { seen } = await readStream(token, 'event: last\n\n')
    const [whole = '', uri = ''] = ANNOUNCED.exec(seen) ?? []
    expect(seen.slice(whole.length)).toBe(rest)
    posted = []
    expect((await callMcp(gateway.issuer + uri, token)).status).toBe(202)
    expect(posted).toEqual([target])
  })

  it.each(['http://evil.example/m', '//evil.example/m', 'https://{host}/m', 'javascript:alert(1)', 'http://['])(
    'breaks a stream off that announces %s, where clients would post their tokens (P-101)',
    async (announced) => {
      const token = await obtain(plain)
      stream = `event: endpoint\ndata: ${announced.replace('{host}', new URL(scripted.url).host)}\n\ndata: more\n\n`
      expect(await readStream(token, 'more')).toEqual({ seen: '', broken: true })
    },
  )

  it('is spoken only where the route says so: elsewhere an event of that name is nobody’s business (P-104)', async () => {
    const url = `${gateway.issuer}/new`
    const token = await obtain(url)
    stream = 'event: endpoint\ndata: http://evil.example/m\n\n'
    expect(await readStream(token, '\n\n', url)).toEqual({ seen: stream, broken: false })
    expect((await callMcp(`${url}/messages?endpoint=x`, token)).status).toBe(404)
  })
})

const PING = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' })
