import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type SpawnedGateway, spawnTestGateway } from '../fixtures/gateway.ts'
import { ask } from '../fixtures/http-exchange.ts'
import {
  authorizeUrl,
  browserFor,
  callRoute,
  type KnownClient,
  obtainCode,
  obtainTokens,
  redeem,
  refresh,
  register,
  type Tokens,
  tokensOf,
} from '../fixtures/oauth-requests.ts'
import { ALICE, passwordProviders } from '../fixtures/password-provider.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'

const PRELOAD = fileURLToPath(new URL('../fixtures/failing-crypto.ts', import.meta.url))

let server: PlainServer
let gateway: SpawnedGateway
let client: KnownClient
let tokens: Tokens

beforeAll(async () => {
  server = await startPlainServer((_, response) => response.end('{}'))
  gateway = await spawnTestGateway(
    {
      providers: await passwordProviders(),
      routes: { '/mcp': { upstream: server.url, sign_in: 'home' } },
    },
    { NODE_OPTIONS: `--import=${PRELOAD}` },
  )
  client = await register(gateway.issuer)
})
afterAll(async () => {
  await gateway?.close()
  await server?.close()
})
beforeEach(async () => {
  tokens = await obtainTokens(gateway.issuer, client, {}, ALICE)
})

/** Runs `during` while the gateway has neither randomness nor memory for scrypt. */
async function failing<T>(during: () => Promise<T>): Promise<T> {
  await toggle('crypto fails')
  try {
    return await during()
  } finally {
    await toggle('crypto works')
  }
}

async function toggle(becomes: string): Promise<void> {
  const before = gateway.output().split(becomes).length
  gateway.process().signal('SIGUSR2')
  await expect.poll(() => gateway.output().split(becomes).length, { interval: 5 }).toBe(before + 1)
}

describe('without randomness, or without memory for scrypt (C69)', () => {
  it('nobody is registered, and the answer is an error', async () => {
    const refused = await failing(() =>
      ask(`${gateway.issuer}/register`, { body: { redirect_uris: [client.redirectUri] } }),
    )
    expect(refused.status).toBeGreaterThanOrEqual(500)
    expect(refused.json()).toMatchObject({ error: expect.stringMatching(/^(server_error|temporarily_unavailable)$/) })
    expect(refused.body).not.toContain('client_id')
    await register(gateway.issuer)
  })

  it('no sign-in begins: a page says so, and sets no cookie', async () => {
    const url = authorizeUrl(gateway.issuer, client)
    const page = await failing(() => browserFor(client).get(url))
    expect(page.status).toBeGreaterThanOrEqual(500)
    expect(page.url.href).toBe(url)
    expect((await browserFor(client).get(url)).status).toBe(200)
  })

  it('no token is issued, and neither code nor refresh token is spent', async () => {
    const code = await obtainCode(gateway.issuer, client, {}, ALICE)
    const refused = await failing(() =>
      Promise.all([redeem(gateway.issuer, code), refresh(gateway.issuer, client, tokens.refreshToken)]),
    )
    for (const answer of refused) {
      expect(answer.status).toBeGreaterThanOrEqual(500)
      expect(answer.body).not.toContain('_token"')
    }
    expect((await redeem(gateway.issuer, code)).status).toBe(200)
    expect((await refresh(gateway.issuer, client, tokens.refreshToken)).status).toBe(200)
  })

  it('nobody is signed in, and whoever has a token goes on', async () => {
    const browser = browserFor(client)
    const consent = await browser.get(authorizeUrl(gateway.issuer, client))
    const form = await browser.submit(consent.form(), { decision: 'approve' })
    const credentials = { username: ALICE.username, password: ALICE.password }
    const [page, called] = await failing(async () => [
      await browser.submit(form.form(), credentials),
      await callRoute(`${gateway.issuer}/mcp`, tokens.accessToken),
    ])
    expect(page?.url.searchParams.get('code') ?? null).toBeNull()
    expect(called?.status).toBe(200)
    expect(
      tokensOf(client, await redeem(gateway.issuer, await obtainCode(gateway.issuer, client, {}, ALICE))),
    ).toBeDefined()
  })
})
