import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { type IdentityProvider, startIdentityProvider } from '../fixtures/identity-provider.ts'
import { callMcp } from '../fixtures/mcp-call.ts'
import { installMovableClock, type MovableClock } from '../fixtures/movable-clock.ts'
import { type OAuthClient, registerClient, type TokenAnswer } from '../fixtures/oauth-client.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'
import { oidcProviders } from '../fixtures/provider-gateway.ts'

const HOUR_MS = 60 * 60_000

let clock: MovableClock
let provider: IdentityProvider
let server: PlainServer
let gateway: TestGateway
let client: OAuthClient
let alice: { sub: string; email: string; email_verified: boolean; groups: string[] }

async function start(options: { groupsAtSignInAlone: boolean }, corp: Record<string, unknown> = {}): Promise<void> {
  provider = await startIdentityProvider({ accounts: [alice], ...options })
  server = await startPlainServer((_request, response) => void response.end('{}'))
  gateway = await startTestGateway({
    providers: { corp: { ...(oidcProviders(provider).corp as object), ...corp } },
    routes: {
      '/group': { upstream: server.url, sign_in: 'corp', allow: { groups: ['engineering'] } },
      '/address': {
        upstream: server.url,
        sign_in: 'corp',
        allow: { groups: ['engineering'], email_domains: ['example.com'] },
      },
      '/claim': { upstream: server.url, sign_in: 'corp' },
    },
  })
  provider.allowRedirect(`${gateway.issuer}/callback/corp`)
  client = await registerClient(gateway.issuer)
}

beforeEach(() => {
  clock = installMovableClock()
  alice = { sub: 'alice', email: 'alice@example.com', email_verified: true, groups: ['engineering'] }
})
afterEach(async () => {
  await gateway?.close()
  await Promise.all([server?.close(), provider?.close()])
  clock.restore()
})

const url = (path: string) => gateway.issuer + path
const refused = { status: 400, error: 'invalid_grant' }

async function refreshAfter(ms: number, tokens: TokenAnswer): Promise<TokenAnswer> {
  clock.advance(ms)
  return client.refresh(tokens.refresh_token)
}

/** Refreshes every few hours for as long as it is answered, 60 hours at the most: after how many it was refused. */
async function hoursUntilRefused(first: TokenAnswer): Promise<number> {
  let tokens = first
  for (let hours = 4; hours <= 60; hours += 4) {
    tokens = await refreshAfter(4 * HOUR_MS, tokens)
    if (tokens.status !== 200) return hours
  }
  return Number.POSITIVE_INFINITY
}

function reasons(): unknown[] {
  const lines = gateway.output().split('\n')
  return lines.filter((line) => line.includes('"event":"grant_revoked"')).map((line) => JSON.parse(line).reason)
}

describe('a provider that tells groups at the sign-in alone, and answers refreshes without id_token (OIDC Core §12.2, U-11)', () => {
  beforeEach(() => start({ groupsAtSignInAlone: true }))

  it('does not sign its users out: their groups are believed for a day, and no longer', async () => {
    const first = await client.obtain(url('/group'))
    expect(await hoursUntilRefused(first)).toBe(28)
    expect(provider.refreshes()).toBeGreaterThan(5)
    expect(reasons()).toEqual(['not_confirmed'])
    const again = await client.obtain(url('/group'))
    expect((await callMcp(url('/group'), again.access_token)).status).toBe(200)
  })

  it('lets nobody in again who has left meanwhile: that takes a day, and one refresh', async () => {
    const second = await refreshAfter(HOUR_MS, await client.obtain(url('/group')))
    alice.groups = []
    expect((await callMcp(url('/group'), second.access_token)).status).toBe(200)
    expect(await refreshAfter(24 * HOUR_MS, second)).toMatchObject(refused)
    await expect(client.obtain(url('/group'))).rejects.toThrow('You are not allowed')
  })

  it('keeps whom another list lets in by what is still told', async () => {
    expect(await hoursUntilRefused(await client.obtain(url('/address')))).toBe(Number.POSITIVE_INFINITY)
    expect(reasons()).toEqual([])
  })

  it('ends at once whose account it has ended', async () => {
    const first = await client.obtain(url('/group'))
    provider.endSignIns()
    expect(await refreshAfter(HOUR_MS, first)).toMatchObject(refused)
    expect(reasons()).toEqual(['invalid_grant'])
  })
})

describe('a claim that everybody must have, at such a provider (require_claims, U-11)', () => {
  it('is believed for a day, and no longer', async () => {
    await start({ groupsAtSignInAlone: true }, { require_claims: { groups: ['engineering'] } })
    expect(await hoursUntilRefused(await client.obtain(url('/claim')))).toBe(28)
    expect(reasons()).toEqual(['not_confirmed'])
  })
})

describe('a provider whose userinfo endpoint tells groups', () => {
  beforeEach(() => start({ groupsAtSignInAlone: false }))

  it('is believed when it tells none any more: that user has left (U-11)', async () => {
    const second = await refreshAfter(HOUR_MS, await client.obtain(url('/group')))
    expect(second.status).toBe(200)
    alice = Object.assign(alice, { groups: undefined })
    expect(await refreshAfter(HOUR_MS, second)).toMatchObject(refused)
    expect(reasons()).toEqual(['not_on_list'])
  })

  it('keeps its users for as long as it answers', async () => {
    expect(await hoursUntilRefused(await client.obtain(url('/group')))).toBe(Number.POSITIVE_INFINITY)
  })
})
