import { Client as ModernClient, StreamableHTTPClientTransport as ModernTransport } from '@modelcontextprotocol/client'
import { Client as FormerClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as FormerTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type DemoMcpServer, startDemoMcpServer } from '../../src/demo/mcp-server.ts'
import { hashPassword } from '../../src/domain/password-hash.ts'
import { Secret } from '../../src/domain/secret.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { createSignInProvider, type SignInProvider } from '../fixtures/sign-in-provider.ts'

const ALICE = { username: 'alice', password: 'correct horse battery staple' }
const COUNT = { name: 'count', arguments: { seconds: 0.05, interval_ms: 10 } }
const WHOAMI = { name: 'whoami', arguments: {} }
const PAT = 'demo_pat_that_only_the_server_knows'

let server: DemoMcpServer
let gateway: TestGateway

beforeAll(async () => {
  server = await startDemoMcpServer({ personalAccessToken: new Secret(PAT) })
  const credential = { kind: 'static', value: PAT }
  const entry = { upstream: server.url, sign_in: 'home', credential }
  gateway = await startTestGateway({
    providers: { home: { type: 'password', users: { alice: await hashPassword(ALICE.password) } } },
    routes: {
      '/mcp': {
        ...entry,
        scopes: { 'demo:read': { tools: ['whoami'] }, 'demo:count': { tools: ['count'], includes: ['demo:read'] } },
      },
      '/denied': { ...entry, tools: { deny: ['count'] } },
    },
  })
})
afterAll(async () => {
  await gateway.close()
  await server.close()
})

/** A client that is connected, with a transport that ends a sign-in which a call has begun. */
interface Stepping {
  callTool(params: typeof COUNT | typeof WHOAMI): Promise<unknown>
  listTools(): Promise<{ readonly tools: readonly { readonly name: string }[] }>
  finishAuth(): Promise<void>
  close(): Promise<void>
}

/** Connects with what `provider` holds; the first time that ends in a sign-in. */
type Connect = (url: string, provider: SignInProvider) => Promise<Stepping>

const modern =
  (mode: 'legacy' | { readonly pin: string }): Connect =>
  async (url, provider) => {
    const transport = new ModernTransport(new URL(url), { authProvider: provider as never })
    const client = new ModernClient({ name: 'test', version: '1' }, { versionNegotiation: { mode } })
    const finishAuth = () => transport.finishAuth(provider.answer())
    if (provider.issued.length > 0) await client.connect(transport)
    else {
      await expect(client.connect(transport)).rejects.toThrow(/unauthorized/i)
      await finishAuth()
      return modern(mode)(url, provider)
    }
    return {
      callTool: (params) => client.callTool(params),
      listTools: () => client.listTools(),
      finishAuth,
      close: () => client.close(),
    }
  }

const former: Connect = async (url, provider) => {
  const transport = new FormerTransport(new URL(url), { authProvider: provider as never }) as FormerTransport & {
    sessionId: string
  }
  const client = new FormerClient({ name: 'test', version: '1' })
  const finishAuth = () => transport.finishAuth(provider.answer().get('code') ?? '')
  if (provider.issued.length > 0) await client.connect(transport)
  else {
    await expect(client.connect(transport)).rejects.toThrow(/unauthorized/i)
    await finishAuth()
    return former(url, provider)
  }
  return {
    callTool: (params) => client.callTool(params),
    listTools: () => client.listTools(),
    finishAuth,
    close: () => client.close(),
  }
}

const SDK_2 = [
  ['@modelcontextprotocol/client 2.x on 2026-07-28', modern({ pin: '2026-07-28' }), 'goes on'],
  // A session belongs to the grant that it was opened under; the further authorization is another one.
  ['@modelcontextprotocol/client 2.x on 2025-11-25', modern('legacy'), 'connects anew'],
] as const

it.each(SDK_2)(
  '%s signs in for little, is sent back for more when a tool takes it, and then has both (S-05, B187, X-09)',
  async (_, connect, then) => {
    const provider = createSignInProvider(ALICE, 2)
    let client = await connect(`${gateway.issuer}/mcp`, provider)
    try {
      expect(provider.issued.map(({ scope }) => scope)).toEqual(['demo:read'])
      expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(['whoami', 'count'])
      await expect(client.callTool(WHOAMI)).resolves.toHaveProperty('content')
      await expect(client.callTool(COUNT)).rejects.toThrow(/unauthorized/i)
      await client.finishAuth()
      expect(provider.issued.map(({ scope }) => scope)).toEqual(['demo:read', 'demo:read demo:count'])
      if (then === 'connects anew') {
        await client.close()
        client = await connect(`${gateway.issuer}/mcp`, provider)
      }
      await expect(client.callTool(COUNT)).resolves.toHaveProperty('content')
      await expect(client.callTool(WHOAMI)).resolves.toHaveProperty('content')
    } finally {
      await client.close()
    }
  },
)

it('@modelcontextprotocol/sdk 1.x refreshes instead of asking for more, and ends there without a loop (S-07)', async () => {
  const provider = createSignInProvider(ALICE)
  const client = await former(`${gateway.issuer}/mcp`, provider)
  try {
    await expect(client.callTool(COUNT)).rejects.toThrow(/403 after trying upscoping/)
    expect(provider.issued.map(({ scope }) => scope)).toEqual(['demo:read', 'demo:read'])
    await expect(client.callTool(WHOAMI)).resolves.toHaveProperty('content')
  } finally {
    await client.close()
  }
})

it.each<[string, Connect]>([
  ...SDK_2.map(([name, connect]): [string, Connect] => [name, connect]),
  ['@modelcontextprotocol/sdk 1.x', former],
])('%s is not sent anywhere for a tool that nobody may call, and never sees it (S-07, P-90)', async (_, connect) => {
  const provider = createSignInProvider(ALICE)
  const client = await connect(`${gateway.issuer}/denied`, provider)
  try {
    expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(['whoami'])
    await expect(client.callTool(COUNT)).rejects.toThrow(/not available through this gateway/)
    await expect(client.callTool(WHOAMI)).resolves.toHaveProperty('content')
    expect(provider.issued).toHaveLength(1)
  } finally {
    await client.close()
  }
})
