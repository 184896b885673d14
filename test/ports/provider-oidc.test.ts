import { setTimeout } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { ProviderTokens } from '../../src/domain/credential.ts'
import { Secret } from '../../src/domain/secret.ts'
import { createOidcProvider, type OidcOptions, type OidcTools } from '../../src/providers/oidc.ts'
import type { Provider, SignInReturn } from '../../src/providers/provider.ts'
import { createBrowser } from '../fixtures/browser.ts'
import { type Account, type IdentityProvider, startIdentityProvider } from '../fixtures/identity-provider.ts'
import { begun, describeProvider, type Walked } from './provider.suite.ts'

const CALLBACK = 'http://127.0.0.1:8080/callback/corp'
const ACCOUNTS: readonly [Account, ...Account[]] = [
  { sub: 'alice', email: ' alice@example.com ', email_verified: true, name: 'Alice\u202e Example', groups: ['staff'] },
  { sub: 'bob', email: 'bob@example.com', email_verified: false, name: 'Bob', groups: 'single' },
  { sub: 'carol', groups: [] },
]
const ALICE = { provider: 'corp', subject: 'alice', email: 'alice@example.com', name: 'Alice Example' }

let idp: IdentityProvider
beforeAll(async () => {
  idp = await startIdentityProvider({ redirectUris: [CALLBACK], accounts: ACCOUNTS })
})
afterAll(() => idp.close())
afterEach(() => {
  idp.setMode({ tokenEndpoint: 'ok', discovery: 'ok', jwks: 'ok', userinfo: 'ok', signIn: 'approve' })
  idp.setCurrentAccount('alice')
})

function connect(tools: OidcTools = {}, changes: Partial<OidcOptions> = {}, to: IdentityProvider = idp): Provider {
  return createOidcProvider(
    {
      name: 'corp',
      issuer: to.issuer,
      clientId: to.clientId,
      clientSecret: new Secret(to.clientSecret),
      scopes: ['openid', 'email', 'profile', 'offline_access'],
      groupsClaim: 'groups',
      ...changes,
    },
    tools,
  )
}

async function walk(location: string): Promise<Walked> {
  return { url: (await createBrowser({ stopAt: [CALLBACK] }).get(location)).url }
}

/** A user who has come back and whose answer nobody has looked at yet. */
async function cameBack(provider: Provider, state = 'state'): Promise<SignInReturn> {
  const { location, continuation } = await begun(provider, state, CALLBACK)
  return { ...(await walk(location)), state, continuation }
}

async function signedIn(provider: Provider): Promise<ProviderTokens> {
  const outcome = await provider.finish(await cameBack(provider))
  if (outcome.outcome !== 'signed-in' || !outcome.tokens) throw new Error(`not signed in: ${JSON.stringify(outcome)}`)
  return outcome.tokens
}

function refresh(provider: Provider, tokens: ProviderTokens) {
  if (!provider.refresh || !tokens.refreshToken) throw new Error('nothing to refresh')
  return provider.refresh(tokens.refreshToken)
}

async function refreshed(provider: Provider, tokens: ProviderTokens): Promise<ProviderTokens> {
  const outcome = await refresh(provider, tokens)
  if (outcome.outcome !== 'refreshed') throw new Error(`not refreshed: ${outcome.reason}`)
  return outcome.tokens
}

function withParameters(back: SignInReturn, change: (parameters: URLSearchParams) => void): SignInReturn {
  const url = new URL(back.url)
  change(url.searchParams)
  return { ...back, url }
}

function discoveries(): number {
  return idp.requests.filter(({ path }) => path === '/.well-known/openid-configuration').length
}

describeProvider('oidc', async () => {
  const provider = connect()
  return {
    provider,
    callbackUrl: CALLBACK,
    identity: { ...ALICE, groups: ['staff'] },
    agree: walk,
    decline: async (location) => {
      idp.setMode({ signIn: 'deny' })
      return walk(location)
    },
    close: async () => undefined,
  }
})

describe('beginning at an OpenID Connect provider', () => {
  it('sends a fresh S256 challenge and nonce with every sign-in, and keeps verifier and nonce back (U-02)', async () => {
    const provider = connect()
    const [one, other] = await Promise.all([begun(provider, 'a', CALLBACK), begun(provider, 'b', CALLBACK)])
    const sent = new URL(one.location).searchParams
    expect(Object.fromEntries(sent)).toMatchObject({
      response_type: 'code',
      client_id: idp.clientId,
      redirect_uri: CALLBACK,
      scope: 'openid email profile offline_access',
      code_challenge_method: 'S256',
      state: 'a',
      nonce: one.continuation.nonce,
      prompt: 'consent',
    })
    expect(one.location).not.toContain(one.continuation.code_verifier)
    expect(sent.get('code_challenge')).not.toBe(new URL(other.location).searchParams.get('code_challenge'))
    expect(one.continuation.nonce).not.toBe(other.continuation.nonce)
    expect(one.continuation.nonce?.length).toBeGreaterThanOrEqual(43)
  })

  it('lets a set-up add parameters, drop our own default, and change nothing of the protocol (U-08)', async () => {
    const provider = connect({}, { authorizationParameters: { prompt: '', access_type: 'offline', state: 'fixed' } })
    const { location } = await begun(provider, 'ours', CALLBACK)
    const sent = new URL(location).searchParams
    expect(sent.has('prompt')).toBe(false)
    expect(sent.get('access_type')).toBe('offline')
    expect(sent.getAll('state')).toEqual(['ours'])
  })

  it('asks the provider for nothing before the first sign-in, and for its metadata once (C27)', async () => {
    const before = discoveries()
    const provider = connect()
    expect(discoveries()).toBe(before)
    await Promise.all(Array.from({ length: 10 }, () => begun(provider, 's', CALLBACK)))
    await begun(provider, 's', CALLBACK)
    expect(discoveries()).toBe(before + 1)
  })

  it('works as soon as a provider that was down at first is back (C27)', async () => {
    let now = Date.now()
    const provider = connect({ now: () => now })
    idp.setMode({ discovery: 'unavailable' })
    expect(await provider.begin('s', CALLBACK)).toEqual({ outcome: 'unavailable', reason: 'http_503' })
    idp.setMode({ discovery: 'ok' })
    const asked = discoveries()
    expect(await provider.begin('s', CALLBACK)).toMatchObject({ outcome: 'unavailable' })
    expect(discoveries()).toBe(asked)
    now += 5000
    await expect(signedIn(provider)).resolves.toBeDefined()
  })

  it('keeps the metadata it has while newer ones cannot be had (C27)', async () => {
    let now = Date.now()
    const provider = connect({ now: () => now })
    await begun(provider, 's', CALLBACK)
    idp.setMode({ discovery: 'unavailable' })
    now += 2 * 3600 * 1000
    await expect(signedIn(provider)).resolves.toBeDefined()
  })

  it('refuses an issuer without TLS unless it is on this machine (U-12)', () => {
    expect(() => connect({}, { issuer: 'http://login.example.com' })).toThrow(TypeError)
    expect(() => connect({}, { issuer: 'http://127.0.0.1.example.com' })).toThrow(TypeError)
    expect(() => connect({}, { issuer: 'https://login.example.com' })).not.toThrow()
    expect(() => connect({}, { issuer: 'http://[::1]:9' })).not.toThrow()
  })

  it('does not throw for a provider that cannot be reached', async () => {
    const provider = connect({}, { issuer: 'http://127.0.0.1:1' })
    expect(await provider.begin('s', CALLBACK)).toEqual({ outcome: 'unavailable', reason: 'unreachable' })
  })

  it('says that the metadata are those of another issuer (OpenID Connect Discovery §4.3)', async () => {
    const there = (url: string) => url.replace('localhost', '127.0.0.1')
    const fetched: typeof fetch = (url, init) => fetch(there(String(url)), init)
    const provider = connect({ fetch: fetched }, { issuer: idp.issuer.replace('127.0.0.1', 'localhost') })
    expect(await provider.begin('s', CALLBACK)).toEqual({ outcome: 'unavailable', reason: 'issuer_mismatch' })
    expect(await connect({ fetch: fetched }).begin('s', CALLBACK)).toHaveProperty('location')
  })
})

describe('coming back from an OpenID Connect provider', () => {
  it('refuses a callback that is replayed, after it was good once (B121)', async () => {
    const provider = connect()
    const back = await cameBack(provider)
    expect(await provider.finish(back)).toMatchObject({ outcome: 'signed-in' })
    expect(await provider.finish(back)).toEqual({ outcome: 'refused', reason: 'invalid_grant' })
  })

  it('refuses the code of another sign-in, because PKCE does not match (B122, RFC 7636 §4.6)', async () => {
    const provider = connect()
    const [victim, attacker] = [await cameBack(provider), await cameBack(provider)]
    const injected = { ...attacker, continuation: victim.continuation }
    expect(await provider.finish(injected)).toEqual({ outcome: 'refused', reason: 'invalid_grant' })
    expect(await provider.finish(victim)).toMatchObject({ outcome: 'signed-in' })
  })

  it('refuses an id_token of another sign-in, because the nonce does not match (B122)', async () => {
    const provider = connect()
    const [mine, other] = [await cameBack(provider), await cameBack(provider)]
    const continuation = { ...mine.continuation, nonce: other.continuation.nonce ?? '' }
    expect(await provider.finish({ ...mine, continuation })).toMatchObject({ outcome: 'refused' })
    expect(await provider.finish(other)).toMatchObject({ outcome: 'signed-in' })
  })

  it('refuses a wrong and a missing iss, before the code is used (U-03, B125, RFC 9207 §2.4)', async () => {
    const provider = connect()
    const back = await cameBack(provider)
    const wrong = withParameters(back, (parameters) => parameters.set('iss', 'https://evil.example'))
    const missing = withParameters(back, (parameters) => parameters.delete('iss'))
    const twice = withParameters(back, (parameters) => parameters.append('iss', idp.issuer))
    for (const bad of [wrong, missing, twice]) expect(await provider.finish(bad)).toMatchObject({ outcome: 'refused' })
    expect(await provider.finish(back)).toMatchObject({ outcome: 'signed-in' })
  })

  it('refuses an answer of another provider (B125)', async () => {
    const second = await startIdentityProvider({ redirectUris: [CALLBACK] })
    try {
      const [here, there] = [connect(), connect({}, { name: 'other' }, second)]
      const answer = await cameBack(there)
      expect(await here.finish(answer)).toMatchObject({ outcome: 'refused' })
      expect(await there.finish(answer)).toMatchObject({ outcome: 'signed-in', identity: { provider: 'other' } })
    } finally {
      await second.close()
    }
  })

  it('refuses an incomplete continuation, and an answer without a code', async () => {
    const provider = connect()
    const back = await cameBack(provider)
    const forgotten = await provider.finish({ ...back, continuation: {} })
    expect(forgotten).toEqual({ outcome: 'refused', reason: 'continuation_incomplete' })
    const noCode = withParameters(back, (parameters) => parameters.delete('code'))
    expect(await provider.finish(noCode)).toMatchObject({ outcome: 'refused' })
    expect(await provider.finish(back)).toMatchObject({ outcome: 'signed-in' })
  })

  it('takes a no for a no, and never repeats the words that came with it (B124)', async () => {
    idp.setMode({ signIn: 'deny' })
    const provider = connect()
    const back = await cameBack(provider)
    expect(back.url.searchParams.get('error_description')).toContain('<script>')
    expect(await provider.finish(back)).toEqual({ outcome: 'denied', reason: 'access_denied' })
  })

  it.each([
    ['access_denied', 'denied', 'access_denied'],
    ['login_required', 'denied', 'login_required'],
    ['consent_required', 'denied', 'consent_required'],
    ['interaction_required', 'denied', 'interaction_required'],
    ['temporarily_unavailable', 'unavailable', 'temporarily_unavailable'],
    ['server_error', 'unavailable', 'server_error'],
    ['invalid_scope', 'refused', 'invalid_scope'],
    ['unauthorized_client', 'refused', 'unauthorized_client'],
    ['<script>alert(1)</script>', 'refused', 'unknown_error'],
  ])('understands error=%s as %s (RFC 6749 §4.1.2.1)', async (error, outcome, reason) => {
    const { continuation } = await begun(connect(), 's', CALLBACK)
    const url = new URL(`${CALLBACK}?${new URLSearchParams({ error, state: 's', iss: idp.issuer })}`)
    expect(await connect().finish({ url, state: 's', continuation })).toEqual({ outcome, reason })
  })

  it.each(['unavailable', 'html', 'drop-after-commit', 'hang'] as const)(
    'is unavailable, not refused, when the token endpoint answers with: %s (C26)',
    async (tokenEndpoint) => {
      const provider = connect({ timeoutMs: 1500 })
      const back = await cameBack(provider)
      idp.setMode({ tokenEndpoint })
      expect(await provider.finish(back)).toMatchObject({ outcome: 'unavailable' })
      idp.setMode({ tokenEndpoint: 'ok' })
      expect(await provider.finish(await cameBack(provider))).toMatchObject({ outcome: 'signed-in' })
    },
  )

  it('never accepts an id_token whose key it cannot read (C27)', async () => {
    const provider = connect()
    idp.setMode({ jwks: 'unavailable' })
    expect(await provider.finish(await cameBack(provider))).toMatchObject({
      outcome: 'unavailable',
      reason: 'http_503',
    })
    idp.setMode({ jwks: 'ok' })
    expect(await provider.finish(await cameBack(provider))).toMatchObject({ outcome: 'signed-in' })
  })

  it('goes on with the keys it knows while they cannot be read again (B127)', async () => {
    let now = Date.now()
    const provider = connect({ now: () => now })
    await signedIn(provider)
    idp.setMode({ jwks: 'unavailable' })
    now += 3600 * 1000
    await expect(signedIn(provider)).resolves.toBeDefined()
    now += 48 * 3600 * 1000
    expect(await provider.finish(await cameBack(provider))).toMatchObject({ outcome: 'unavailable' })
  })
})

describe('the identity that an OpenID Connect provider vouches for', () => {
  it('has an e-mail address only when it is verified (U-11)', async () => {
    const provider = connect()
    expect(await provider.finish(await cameBack(provider))).toMatchObject({ identity: ALICE })
    idp.setCurrentAccount('bob')
    const bob = await provider.finish(await cameBack(provider))
    expect(bob).toMatchObject({ outcome: 'signed-in', identity: { subject: 'bob', name: 'Bob' } })
    expect(bob).not.toHaveProperty('identity.email')
  })

  it('takes groups as a list and as a single word, and none for none (B130)', async () => {
    const provider = connect()
    for (const [sub, groups] of [
      ['alice', ['staff']],
      ['bob', ['single']],
      ['carol', []],
    ] as const) {
      idp.setCurrentAccount(sub)
      expect(await provider.finish(await cameBack(provider))).toMatchObject({ identity: { subject: sub, groups } })
    }
  })

  it('asks the userinfo endpoint for what the id_token lacks, and waits for it to be there', async () => {
    const provider = connect()
    idp.setMode({ userinfo: 'unavailable' })
    expect(await provider.finish(await cameBack(provider))).toMatchObject({
      outcome: 'unavailable',
      reason: 'http_503',
    })
    idp.setMode({ userinfo: 'ok' })
    expect(await provider.finish(await cameBack(provider))).toMatchObject({ outcome: 'signed-in' })
  })

  it('does not need the userinfo endpoint when the id_token says everything', async () => {
    const chatty = await startIdentityProvider({ redirectUris: [CALLBACK], accounts: ACCOUNTS, claimsInIdToken: true })
    try {
      chatty.setMode({ userinfo: 'unavailable' })
      const provider = connect({}, {}, chatty)
      const outcome = await provider.finish(await cameBack(provider))
      expect(outcome).toMatchObject({ identity: { ...ALICE, groups: ['staff'] } })
      expect(chatty.requests.some(({ path }) => path === '/me')).toBe(false)
    } finally {
      await chatty.close()
    }
  })

  it('knows groups that are given for a scope of their own, if that scope is asked for', async () => {
    const scoped = await startIdentityProvider({ redirectUris: [CALLBACK], accounts: ACCOUNTS, groupsScope: true })
    try {
      const without = connect({}, { scopes: ['openid'] }, scoped)
      expect(await without.finish(await cameBack(without))).toMatchObject({ identity: { groups: [] } })
      const having = connect({}, { scopes: ['openid', 'groups'] }, scoped)
      expect(await having.finish(await cameBack(having))).toMatchObject({ identity: { groups: ['staff'] } })
    } finally {
      await scoped.close()
    }
  })
})

describe('refreshing at an OpenID Connect provider', () => {
  it('rotates, and learns that a refresh token used twice is dead for ever (C17, RFC 9700 §4.14.2)', async () => {
    const provider = connect()
    const first = await signedIn(provider)
    const second = await refreshed(provider, first)
    expect(second.refreshToken?.reveal()).not.toBe(first.refreshToken?.reveal())
    const third = await refreshed(provider, second)
    expect(await refresh(provider, first)).toEqual({ outcome: 'dead', reason: 'invalid_grant' })
    expect(await refresh(provider, third)).toEqual({ outcome: 'dead', reason: 'invalid_grant' })
  })

  it('says when the new token ends, in ms (RFC 6749 §5.1)', async () => {
    const brief = await startIdentityProvider({ redirectUris: [CALLBACK], accessTokenTtlSeconds: 120 })
    try {
      const provider = connect({ now: () => 5000 }, {}, brief)
      const tokens = await signedIn(provider)
      expect(tokens.expiresAt).toBe(125_000)
      expect((await refreshed(provider, tokens)).expiresAt).toBe(125_000)
    } finally {
      await brief.close()
    }
  })

  it.each(['unavailable', 'html', 'hang'] as const)(
    'keeps the refresh token when the token endpoint answers with: %s (C17, U-13)',
    async (tokenEndpoint) => {
      const provider = connect({ refreshTimeoutMs: 1000 })
      const tokens = await signedIn(provider)
      idp.setMode({ tokenEndpoint })
      expect(await refresh(provider, tokens)).toMatchObject({ outcome: 'unavailable' })
      idp.setMode({ tokenEndpoint: 'ok' })
      await expect(refreshed(provider, tokens)).resolves.toBeDefined()
    },
  )

  it('waits longer for a refresh than for a sign-in: an answer given up may hold the only token that works (C17)', async () => {
    const tokens = await signedIn(connect())
    const slow: OidcTools['fetch'] = async (url, options) => {
      if (options?.method === 'POST') await setTimeout(2000)
      return fetch(url, options)
    }
    const provider = connect({ timeoutMs: 1000, refreshTimeoutMs: 20_000, fetch: slow })
    const back = await cameBack(provider)
    expect(await provider.finish(back)).toMatchObject({ outcome: 'unavailable', reason: 'timeout' })
    await expect(refreshed(provider, tokens)).resolves.toBeDefined()
  })

  it.each([
    ['unavailable', { unspent: true, retryAfterMs: 1000 }],
    ['html', { unspent: true, relayed: true }],
    ['hang', { unspent: false }],
    ['drop-after-commit', { unspent: false }],
  ] as const)(
    'tells whether the refresh token may be spent when the token endpoint answers with: %s (C17)',
    async (tokenEndpoint, told) => {
      const provider = connect({ refreshTimeoutMs: 1000 })
      const tokens = await signedIn(provider)
      idp.setMode({ tokenEndpoint })
      expect(await refresh(provider, tokens)).toEqual({ outcome: 'unavailable', reason: expect.any(String), ...told })
    },
  )

  it('knows that nothing is spent at a provider that is not there, or whose metadata are not (C17)', async () => {
    const gone = await startIdentityProvider({ redirectUris: [CALLBACK] })
    const provider = connect({}, {}, gone)
    const tokens = await signedIn(provider)
    await gone.close()
    expect(await refresh(provider, tokens)).toMatchObject({ outcome: 'unavailable', unspent: true })
    idp.setMode({ discovery: 'unavailable' })
    expect(await refresh(connect(), tokens)).toMatchObject({ outcome: 'unavailable', unspent: true })
  })

  it('is unavailable when the answer is lost on the way, and only the next attempt shows the loss (C17)', async () => {
    const provider = connect()
    const tokens = await signedIn(provider)
    const before = idp.refreshes()
    idp.setMode({ tokenEndpoint: 'drop-after-commit' })
    expect(await refresh(provider, tokens)).toEqual({ outcome: 'unavailable', reason: 'unreachable', unspent: false })
    expect(idp.refreshes()).toBe(before + 1)
    idp.setMode({ tokenEndpoint: 'ok' })
    expect(await refresh(provider, tokens)).toEqual({ outcome: 'dead', reason: 'invalid_grant' })
  })

  it('blames the set-up, not the user, for a client secret that is wrong (C17)', async () => {
    const provider = connect()
    const tokens = await signedIn(provider)
    const mistaken = connect({}, { clientSecret: new Secret('not-the-secret') })
    expect(await refresh(mistaken, tokens)).toEqual({
      outcome: 'misconfigured',
      reason: 'invalid_client',
      unspent: true,
    })
    await expect(refreshed(provider, tokens)).resolves.toBeDefined()
  })

  it('does not need the signing keys: trouble with them must not cost a rotated refresh token', async () => {
    const tokens = await signedIn(connect())
    idp.setMode({ jwks: 'unavailable' })
    await expect(refreshed(connect(), tokens)).resolves.toBeDefined()
  })
})

describe('asking an OpenID Connect provider about the user again, after a refresh', () => {
  const alice: { sub: string; email: string; email_verified: true; groups: unknown } = {
    sub: 'alice',
    email: 'alice@example.com',
    email_verified: true,
    groups: ['staff'],
  }
  let theirs: IdentityProvider
  afterEach(async () => {
    await theirs?.close()
  })

  async function identify(options: Partial<OidcOptions>, between: () => void) {
    alice.groups = ['staff']
    theirs = await startIdentityProvider({ redirectUris: [CALLBACK], accounts: [alice], claimsInIdToken: true })
    const provider = connect({}, options, theirs)
    const tokens = await signedIn(provider)
    between()
    const outcome = await refresh(provider, tokens)
    if (outcome.outcome !== 'refreshed') throw new Error(`not refreshed: ${outcome.reason}`)
    return outcome.identify?.()
  }

  it('reads the same as at the sign-in, and what has changed since (U-11)', async () => {
    expect(await identify({}, () => {})).toMatchObject({
      outcome: 'read',
      identity: { subject: 'alice', groups: ['staff'] },
    })
    await theirs.close()
    const changed = await identify({}, () => {
      alice.groups = ['guests']
    })
    expect(changed).toMatchObject({ outcome: 'read', identity: { email: alice.email, groups: ['guests'] } })
  })

  it('denies who lacks a required claim by now (U-11)', async () => {
    const options = { requiredClaims: { groups: ['staff'] } }
    const outcome = await identify(options, () => {
      alice.groups = ['guests']
    })
    expect(outcome).toEqual({ outcome: 'denied', reason: 'required_claim_missing' })
  })

  it('learns nothing while keys or userinfo cannot be read (U-13)', async () => {
    const outcome = await identify({ groupsClaim: 'teams' }, () => theirs.setMode({ userinfo: 'unavailable' }))
    expect(outcome).toEqual({ outcome: 'unavailable', reason: 'http_503' })
  })
})
