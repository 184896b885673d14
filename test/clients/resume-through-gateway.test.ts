import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ConformanceServer, startConformanceServer } from '../fixtures/conformance-server/server.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { obtainTokens, register } from '../fixtures/oauth-requests.ts'
import { ALICE, passwordProviders } from '../fixtures/password-provider.ts'

let server: ConformanceServer
let gateway: TestGateway
let tokens: readonly [first: string, second: string]

beforeAll(async () => {
  server = await startConformanceServer()
  gateway = await startTestGateway({
    providers: await passwordProviders(),
    routes: { '/mcp': { upstream: server.url, sign_in: 'home' } },
  })
  const client = await register(gateway.issuer)
  const signIn = async () => (await obtainTokens(gateway.issuer, client, {}, ALICE)).accessToken
  tokens = [await signIn(), await signIn()]
})

afterAll(async () => {
  await gateway?.close()
  await server?.close()
})

interface Sent {
  readonly session?: string
  readonly lastEventId?: string
  readonly message?: unknown
  readonly signal?: AbortSignal
}

function send(token: string, { session, lastEventId, message, signal }: Sent): Promise<Response> {
  return fetch(`${gateway.issuer}/mcp`, {
    method: message === undefined ? 'GET' : 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      accept: message === undefined ? 'text/event-stream' : 'application/json, text/event-stream',
      'mcp-protocol-version': '2025-11-25',
      ...(session === undefined ? {} : { 'mcp-session-id': session }),
      ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
    },
    body: message === undefined ? null : JSON.stringify(message),
    signal: signal ?? null,
  })
}

async function initialize(token: string): Promise<string> {
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'raw', version: '1' } }
  const opened = await send(token, { message: { jsonrpc: '2.0', id: 0, method: 'initialize', params } })
  await opened.text()
  const session = opened.headers.get('mcp-session-id') ?? ''
  await send(token, { session, message: { jsonrpc: '2.0', method: 'notifications/initialized' } })
  return session
}

/** Reads until the text that has come so far contains `wanted`. */
async function readUntil(stream: Response, wanted: string): Promise<string> {
  const reader = stream.body?.getReader()
  const decoder = new TextDecoder()
  let text = ''
  while (!text.includes(wanted)) {
    const piece = await reader?.read()
    if (piece === undefined || piece.done) throw new Error(`the stream ended: ${text}`)
    text += decoder.decode(piece.value, { stream: true })
  }
  return text
}

describe('a connection that is lost in the middle of a call (2025-11-25)', () => {
  it('is no cancellation: the rest is fetched from a later stream, by its owner alone (P-66, P-67)', async () => {
    const [owner, stranger] = tokens
    const session = await initialize(owner)
    const losing = new AbortController()
    const call = {
      jsonrpc: '2.0',
      id: 7,
      method: 'tools/call',
      params: { name: 'test_tool_with_progress', arguments: {}, _meta: { progressToken: 7 } },
    }
    const stream = await send(owner, { session, message: call, signal: losing.signal })
    const begun = await readUntil(stream, '"progress":0')
    const lastEventId = /^id: ?(.*)$/m.exec(begun)?.[1] ?? ''
    expect(lastEventId).not.toBe('')
    losing.abort()

    const foreign = await send(stranger, { session, lastEventId })
    expect([foreign.status, await foreign.text()]).toEqual([404, expect.not.stringContaining('progress')])
    const later = new AbortController()
    const rest = await readUntil(await send(owner, { session, lastEventId, signal: later.signal }), '"result"')
    later.abort()
    expect(rest).toContain('"progress":100')
    expect(rest).toContain('Done.')
    expect(rest).toContain('"id":7')
  })
})
