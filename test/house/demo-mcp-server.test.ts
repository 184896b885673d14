import { Client as ModernClient, StreamableHTTPClientTransport as ModernTransport } from '@modelcontextprotocol/client'
import { Client as FormerClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as FormerTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type DemoMcpServer, startDemoMcpServer } from '../../src/demo/mcp-server.ts'
import { Secret } from '../../src/domain/secret.ts'

const TOKEN = 'demo_pat_0123456789'

let server: DemoMcpServer

beforeAll(async () => {
  server = await startDemoMcpServer({ personalAccessToken: new Secret(TOKEN) })
})

afterAll(() => server.close())

function withToken(token: string, more: Record<string, string> = {}) {
  return { requestInit: { headers: { Authorization: `Bearer ${token}`, ...more } } }
}

const CLIENT = { name: 'test', version: '1.0.0' }

interface Connected {
  callTool(
    params: { name: string; arguments?: Record<string, unknown> },
    onprogress?: (progress: { progress: number }) => void,
  ): Promise<unknown>
  close(): Promise<unknown>
}

async function connectFormer(token: string, more?: Record<string, string>): Promise<Connected> {
  const client = new FormerClient(CLIENT)
  const transport = new FormerTransport(new URL(server.url), withToken(token, more))
  await client.connect(transport as Parameters<typeof client.connect>[0])
  expect(transport.sessionId).toBeTruthy()
  return {
    callTool: (params, onprogress) => client.callTool(params, undefined, onprogress ? { onprogress } : undefined),
    close: async () => {
      await transport.terminateSession()
      await client.close()
    },
  }
}

async function connectModern(
  mode: 'legacy' | { pin: string },
  token: string,
  more?: Record<string, string>,
): Promise<Connected> {
  const client = new ModernClient(CLIENT, { versionNegotiation: { mode } })
  const transport = new ModernTransport(new URL(server.url), withToken(token, more))
  await client.connect(transport)
  expect(client.getNegotiatedProtocolVersion()).toBe(mode === 'legacy' ? '2025-11-25' : mode.pin)
  return {
    callTool: (params, onprogress) => client.callTool(params, onprogress ? { onprogress } : undefined),
    close: () => client.close(),
  }
}

const CLIENTS: readonly [string, (token: string, more?: Record<string, string>) => Promise<Connected>][] = [
  ['the 1.x SDK (2025-11-25, sessions)', connectFormer],
  ['the 2.x SDK in 2025-11-25 with sessions', (...rest) => connectModern('legacy', ...rest)],
  ['the 2.x SDK in 2026-07-28 without sessions', (...rest) => connectModern({ pin: '2026-07-28' }, ...rest)],
]

function textOf(result: unknown): string {
  const { content } = result as { content: { type: string; text: string }[] }
  return content[0]?.text ?? ''
}

describe.each(CLIENTS)('the demo MCP server with %s', (_name, connect) => {
  test('whoami reports the fingerprint of the token, the user and the header names, never the token', async () => {
    const client = await connect(TOKEN, { 'X-Gatehouse-User': 'demo' })
    const answer = textOf(await client.callTool({ name: 'whoami' }))
    expect(JSON.parse(answer)).toMatchObject({
      credential: server.fingerprint,
      user: 'demo',
      headers: expect.arrayContaining(['authorization', 'x-gatehouse-user']),
    })
    expect(server.fingerprint).toMatch(/^sha256:[0-9a-f]{12}$/)
    expect(answer).not.toContain(TOKEN)
    await client.close()
  })

  test('count streams its progress before the result', async () => {
    const client = await connect(TOKEN)
    const order: (number | string)[] = []
    const result = await client.callTool({ name: 'count', arguments: { seconds: 0.2, interval_ms: 50 } }, (event) =>
      order.push(event.progress),
    )
    order.push(textOf(result))
    expect(order).toEqual([1, 2, 3, 4, 'Counted to 4.'])
    await client.close()
  })

  test('a wrong token is refused', async () => {
    await expect(connect(`${TOKEN}x`)).rejects.toThrow(/401|personal access token is required/)
  })
})

describe('the door of the demo MCP server', () => {
  const initialize = JSON.stringify({
    jsonrpc: '2.0',
    id: 1,
    method: 'initialize',
    params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: CLIENT },
  })

  function post(headers: Record<string, string>): Promise<Response> {
    const accept = { 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream' }
    return fetch(server.url, { method: 'POST', headers: { ...accept, ...headers }, body: initialize })
  }

  test.each([
    ['no credential', {}],
    ['a wrong token', { Authorization: 'Bearer demo_pat_0123456788' }],
    ['the right token in another scheme', { Authorization: `Basic ${TOKEN}` }],
    ['the right token in another header', { 'X-Api-Key': TOKEN }],
  ])('answers 401 with its own challenge, without any OAuth, to %s', async (_name, headers) => {
    const response = await post(headers)
    expect(response.status).toBe(401)
    expect(response.headers.get('www-authenticate')).toBe('Bearer realm="demo"')
  })

  test('a quiet GET stream delivers its status line and headers at once, and DELETE ends the session', async () => {
    const authorization = { Authorization: `Bearer ${TOKEN}` }
    const opened = await post(authorization)
    expect(opened.status).toBe(200)
    await opened.text()
    const session = { ...authorization, 'Mcp-Session-Id': opened.headers.get('mcp-session-id') ?? '' }
    const leave = new AbortController()
    const stream = await fetch(server.url, {
      headers: { ...session, Accept: 'text/event-stream' },
      signal: leave.signal,
    })
    expect(stream.status).toBe(200)
    expect(stream.headers.get('content-type')).toBe('text/event-stream')
    leave.abort()
    expect((await fetch(server.url, { method: 'DELETE', headers: session })).status).toBe(200)
    const after = await fetch(server.url, { headers: { ...session, Accept: 'text/event-stream' } })
    expect(after.status).toBe(404)
  })

  test('an unknown session is 404 (MCP 2025-11-25, session management)', async () => {
    const response = await post({ Authorization: `Bearer ${TOKEN}`, 'Mcp-Session-Id': 'nobody' })
    expect(response.status).toBe(404)
  })
})
