import { createHash } from 'node:crypto'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { ProviderConfig } from '../../src/config/gateway-config.ts'
import { presetNames } from '../../src/config/presets.ts'
import type { ProviderTokens } from '../../src/domain/credential.ts'
import { Secret } from '../../src/domain/secret.ts'
import { ACCESS_TOKEN_TYPE } from '../../src/domain/token-exchange.ts'
import { createOauth2Provider } from '../../src/providers/oauth2.ts'
import { createOidcProvider } from '../../src/providers/oidc.ts'
import type { Provider, SignInReturn } from '../../src/providers/provider.ts'
import { configOf, edit } from '../config/base.ts'
import { type Asked, type FakedHosts, startFakedHosts } from '../fixtures/faked-hosts.ts'
import { begun } from '../ports/provider.suite.ts'
import { CALLBACK, CLIENT, CODE, type ExpectedRequest, REPLAYS, type Replay } from './replay.ts'

const NOW = Date.now()
const HELD: ProviderTokens = { accessToken: new Secret('access-1'), refreshToken: new Secret('refresh-1') }

let hosts: FakedHosts
let key: Awaited<ReturnType<typeof generateKeyPair>>
beforeAll(async () => {
  hosts = await startFakedHosts()
  key = await generateKeyPair('RS256')
})
afterAll(() => hosts.close())
beforeEach(() => hosts.reset())

/** The provider that `preset: NAME` and the replay's keys mean. */
function configure(name: string, { keys = [] }: Replay): Exclude<ProviderConfig, { type: 'password' }> {
  const lines = [`preset: ${name}`, ...keys, `client_id: ${CLIENT.id}`, `client_secret: ${CLIENT.secret}`]
  const plain = `type: oidc
    issuer: https://login.example.com/realms/main
    client_id: gatehouse
    client_secret: corp-client-secret
    scopes: [openid, email]
`
  const [config] = configOf(edit([plain, `${lines.join('\n    ')}\n`])).providers
  if (!config || config.type === 'password') throw new Error('not the provider')
  return config
}

function connect(name: string, replay: Replay): Provider {
  const config = configure(name, replay)
  const tools = { fetch: hosts.fetch, now: () => NOW }
  return config.type === 'oidc' ? createOidcProvider(config, tools) : createOauth2Provider(config, tools)
}

/** Makes the hosts behave as the provider documents, and notes what it was shown at the authorization endpoint. */
async function play(replay: Replay): Promise<void> {
  const { authorize, exchange, tokens, oidc, asks = [], revoke } = replay
  let shown: Readonly<Record<string, string>> = {}
  hosts.on(`GET ${authorize.url}`, ({ query }) => {
    shown = query
    const back = new URLSearchParams({ code: CODE, state: query.state ?? '' })
    return { status: 302, location: `${query.redirect_uri}?${back}` }
  })
  hosts.on(`POST ${exchange.url}`, async ({ body }) => {
    if (replay.pkce && challengeOf(String(body.code_verifier)) !== shown.code_challenge)
      return { status: 400, body: { error: 'invalid_grant' } }
    return { body: oidc ? { ...tokens, id_token: await sign(oidc, shown.nonce) } : tokens }
  })
  for (const { url, method = 'GET', answer } of asks) hosts.on(`${method} ${url}`, () => answer)
  if (revoke) hosts.on(`${revoke.method ?? 'POST'} ${revoke.url}`, () => revoke.answer ?? { body: { ok: true } })
  if (!oidc) return
  const discovery = `${oidc.issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const keys = [{ ...(await exportJWK(key.publicKey)), kid: 'k', alg: 'RS256', use: 'sig' }]
  hosts.on(`GET ${discovery}`, () => ({
    body: {
      issuer: oidc.issuer,
      response_types_supported: ['code'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['RS256'],
      ...oidc.metadata,
    },
  }))
  hosts.on(`GET ${oidc.metadata.jwks_uri}`, () => ({ body: { keys } }))
}

function sign({ issuer, tokenIssuer, claims }: NonNullable<Replay['oidc']>, nonce: string | undefined) {
  const known = JSON.parse(JSON.stringify({ ...claims, nonce }))
  return new SignJWT(known)
    .setProtectedHeader({ alg: 'RS256', kid: 'k' })
    .setIssuer(tokenIssuer ?? issuer)
    .setAudience(CLIENT.id)
    .setIssuedAt()
    .setExpirationTime('1h')
    .sign(key.privateKey)
}

function challengeOf(verifier: string): string {
  return createHash('sha256').update(verifier).digest('base64url')
}

/** Walks to the provider and back, as a browser would. */
async function cameBack(provider: Provider): Promise<SignInReturn> {
  const { location, continuation } = await begun(provider, 'state-1', CALLBACK)
  const answer = await hosts.fetch(location, { redirect: 'manual' })
  return { url: new URL(answer.headers.get('location') ?? ''), state: 'state-1', continuation }
}

/** Fails unless exactly one request came to the place of `expected`, and was what it should be, no more and no less. */
function expectAsked(expected: ExpectedRequest): Asked {
  const { url, method = 'form' in expected || 'json' in expected ? 'POST' : 'GET' } = expected
  const [one, ...more] = hosts.asked.filter((asked) => asked.url === url && asked.method === method)
  if (!one || more.length > 0) throw new Error(`${method} ${url} was asked ${more.length + (one ? 1 : 0)} times`)
  const { code_verifier: _, ...body } = one.body
  expect(body).toEqual(expected.form ?? expected.json ?? {})
  if (expected.json) expect(one.headers['content-type']).toBe('application/json')
  if (expected.form && Object.keys(expected.form).length > 0)
    expect(one.headers['content-type']).toMatch(/^application\/x-www-form-urlencoded/)
  expect(one.headers).toMatchObject(expected.headers ?? {})
  expect(one.headers.authorization).toBe(expected.headers?.authorization)
  return one
}

const names = Object.keys(REPLAYS)
const cases = Object.entries(REPLAYS)

describe('the replays', () => {
  it('cover every preset but the generic ones, which meet a real provider', () => {
    expect([...names, 'generic-oidc', 'generic-oauth2'].sort()).toEqual(presetNames())
  })
})

describe.each(cases)('preset %s', (name, replay) => {
  beforeEach(() => play(replay))

  it('sends users away with exactly these parameters (U-02, U-08)', async () => {
    const { location } = await begun(connect(name, replay), 'state-1', CALLBACK)
    const url = new URL(location)
    const { state, nonce, code_challenge, code_challenge_method, ...rest } = Object.fromEntries(url.searchParams)
    expect(url.origin + url.pathname).toBe(replay.authorize.url)
    expect(rest).toEqual(replay.authorize.query)
    expect(state).toBe('state-1')
    expect(nonce !== undefined).toBe(replay.oidc !== undefined)
    expect(code_challenge_method).toBe(replay.pkce ? 'S256' : undefined)
    expect(code_challenge?.length).toBe(replay.pkce ? 43 : undefined)
  })

  it('exchanges the code as documented, and says who the user is (U-11)', async () => {
    const provider = connect(name, replay)
    const outcome = await provider.finish(await cameBack(provider))
    expect(outcome).toMatchObject({ outcome: 'signed-in' })
    if (outcome.outcome !== 'signed-in') throw new Error('not signed in')
    const { inIdToken: _, ...identity } = outcome.identity
    expect(identity).toEqual({ provider: 'corp', ...replay.identity })
    expectAsked(replay.exchange)
    for (const ask of replay.asks ?? []) expectAsked(ask)
    expect(outcome.tokens?.accessToken.reveal()).toBe('access-1')
    expect(outcome.tokens?.refreshToken?.reveal()).toBe(replay.refresh ? 'refresh-1' : undefined)
    expect(outcome.tokens?.expiresAt).toBe(replay.life === undefined ? undefined : NOW + replay.life * 1000)
  })

  it('sends a resource to nobody, nor anything else that nobody asked for (U-05)', async () => {
    const provider = connect(name, replay)
    await provider.finish(await cameBack(provider))
    for (const asked of hosts.asked)
      expect([...Object.keys(asked.query), ...Object.keys(asked.body)]).not.toContain('resource')
  })

  it('refuses what came back from another sign-in (B121, B122, U-01)', async () => {
    const provider = connect(name, replay)
    const back = await cameBack(provider)
    expect(await provider.finish({ ...back, state: 'other' })).toMatchObject({ outcome: 'refused' })
    if (replay.pkce) {
      const other = await begun(provider, 'state-1', CALLBACK)
      const injected = await provider.finish({ ...back, continuation: other.continuation })
      expect(injected).toEqual({ outcome: 'refused', reason: 'invalid_grant' })
    }
    expect(await provider.finish(back)).toMatchObject({ outcome: 'signed-in' })
  })
})

describe.each(cases.filter(([, { refresh }]) => refresh))('refreshing with preset %s', (name, replay) => {
  beforeEach(() => play(replay))
  const { refresh, later } = replay
  if (!refresh || !later) throw new Error(`${name} says nothing about trouble`)
  const answerWith = (answer: typeof later) => hosts.on(`POST ${refresh.request.url}`, () => answer)
  const tryIt = (provider: Provider) => provider.refresh?.(new Secret('refresh-1'))

  it('asks as documented, and keeps the newest refresh token', async () => {
    answerWith({ body: refresh.answer })
    const outcome = await tryIt(connect(name, replay))
    if (outcome?.outcome !== 'refreshed') throw new Error(`not refreshed: ${JSON.stringify(outcome)}`)
    expectAsked(refresh.request)
    expect(outcome.tokens.accessToken.reveal()).toBe('access-2')
    expect(outcome.tokens.refreshToken?.reveal()).toBe(refresh.next)
  })

  it('knows a refresh token that is dead for ever from a provider that is busy (C17, U-13)', async () => {
    answerWith(refresh.dead)
    expect(await tryIt(connect(name, replay))).toMatchObject({ outcome: 'dead' })
    answerWith(later)
    expect(await tryIt(connect(name, replay))).toMatchObject({ outcome: 'unavailable' })
    answerWith({ status: 401, body: { error: 'invalid_client' } })
    expect(await tryIt(connect(name, replay))).toMatchObject({ outcome: 'misconfigured', reason: 'invalid_client' })
  })
})

describe.each(cases.filter(([, { onBehalfOf }]) => onBehalfOf))('exchanging a token with preset %s', (name, replay) => {
  beforeEach(() => play(replay))
  const { onBehalfOf } = replay
  if (!onBehalfOf) throw new Error(`${name} says nothing about exchanges`)
  const ask = () =>
    connect(name, replay).exchange?.(HELD.accessToken, {
      audiences: [],
      resources: [],
      scopes: [onBehalfOf.scope],
      subjectTokenType: ACCESS_TOKEN_TYPE,
    })

  it('asks as documented, and knows what only the user or an administrator can mend (RFC 7523 §2.1)', async () => {
    hosts.on(`POST ${onBehalfOf.request.url}`, () => ({ body: onBehalfOf.answer }))
    const outcome = await ask()
    if (outcome?.outcome !== 'exchanged') throw new Error(`not exchanged: ${JSON.stringify(outcome)}`)
    expectAsked(onBehalfOf.request)
    expect(outcome.exchanged.token.reveal()).toBe(onBehalfOf.answer.access_token)
    hosts.on(`POST ${onBehalfOf.request.url}`, () => onBehalfOf.needsUser)
    expect(await ask()).toMatchObject({ outcome: 'interaction_required' })
  })
})

describe.each(cases.filter(([, { revoke }]) => revoke))('giving tokens back with preset %s', (name, replay) => {
  beforeEach(() => play(replay))

  it('asks as documented (RFC 7009 §2.1, or its own way)', async () => {
    const provider = connect(name, replay)
    await provider.revoke?.(HELD)
    expectAsked(replay.revoke ?? { url: '' })
    expect(['tokens', 'account']).toContain(provider.revocationEnds)
  })

  it('does not mind when it fails', async () => {
    const { url = '', method = 'POST' } = replay.revoke ?? {}
    for (const status of [400, 401, 503]) {
      hosts.on(`${method} ${url}`, () => ({ status, body: { error: 'no' } }))
      await expect(connect(name, replay).revoke?.(HELD)).resolves.toBeUndefined()
    }
  })
})

describe.each(cases.filter(([, { revoke }]) => !revoke))(
  'preset %s, where nothing can be given back',
  (name, replay) => {
    it('asks nobody', async () => {
      await play(replay)
      await connect(name, replay).revoke?.(HELD)
      expect(hosts.asked.filter(({ method }) => method !== 'GET')).toEqual([])
    })
  },
)

describe('what is particular about one provider', () => {
  const replayOf = (name: string): Replay => {
    const replay = REPLAYS[name]
    if (!replay) throw new Error(`no replay of ${name}`)
    return replay
  }
  async function signIn(name: string, change: () => void = () => undefined, replay = replayOf(name)) {
    await play(replay)
    change()
    const provider = connect(name, replay)
    return provider.finish(await cameBack(provider))
  }
  const GITHUB = 'https://api.github.com/user'

  it('github: an address counts only when it is primary and verified (U-11)', async () => {
    for (const emails of [
      [{ email: 'a@example.com', primary: true, verified: false }],
      [{ email: 'a@example.com', primary: false, verified: true }],
      [{ email: 'a@example.com', primary: true, verified: 'true' }],
      [],
    ]) {
      const outcome = await signIn('github', () => hosts.on(`GET ${GITHUB}/emails`, () => ({ body: emails })))
      expect(outcome).toMatchObject({ outcome: 'signed-in', identity: { subject: '583231' } })
      expect(outcome).not.toHaveProperty('identity.email')
    }
  })

  it('github: whoever did not grant user:email signs in without address; trouble there is trouble', async () => {
    const refused = await signIn('github', () => hosts.on(`GET ${GITHUB}/emails`, () => ({ status: 404 })))
    expect(refused).toMatchObject({ outcome: 'signed-in' })
    expect(refused).not.toHaveProperty('identity.email')
    const down = await signIn('github', () => hosts.on(`GET ${GITHUB}/emails`, () => ({ status: 503 })))
    expect(down).toMatchObject({ outcome: 'unavailable', reason: 'http_503' })
  })

  it('github: is called by the login when there is no name', async () => {
    const nameless = () => hosts.on(`GET ${GITHUB}`, () => ({ body: { id: 7, login: 'octo', name: null } }))
    expect(await signIn('github', nameless)).toMatchObject({ identity: { subject: '7', name: 'octo' } })
  })

  it('github: understands a form-encoded answer, and errors with status 200 (B131)', async () => {
    const token = 'POST https://github.com/login/oauth/access_token'
    const form = (body: string) => () => hosts.on(token, () => ({ type: 'application/x-www-form-urlencoded', body }))
    expect(await signIn('github', form('access_token=access-1&token_type=bearer&scope='))).toMatchObject({
      outcome: 'signed-in',
    })
    expect(await signIn('github', form('error=bad_verification_code&error_description=x'))).toEqual({
      outcome: 'refused',
      reason: 'bad_verification_code',
    })
    expect(await signIn('github', form('<html>Sign in</html>'))).toMatchObject({ outcome: 'unavailable' })
    expect(await signIn('github', form('access_token=a&access_token=b&token_type=bearer'))).toMatchObject({
      outcome: 'unavailable',
    })
    const wrong = () => hosts.on(token, () => ({ body: { error: 'incorrect_client_credentials' } }))
    expect(await signIn('github', wrong)).toEqual({ outcome: 'refused', reason: 'incorrect_client_credentials' })
  })

  it('github: an app whose tokens expire gets refresh tokens, as a GitHub App does (U-08)', async () => {
    const replay = { ...replayOf('github-app'), authorize: replayOf('github').authorize }
    const outcome = await signIn('github', undefined, replay)
    if (outcome.outcome !== 'signed-in') throw new Error(JSON.stringify(outcome))
    expect(outcome.tokens?.refreshToken?.reveal()).toBe('refresh-1')
    expect(outcome.tokens?.expiresAt).toBe(NOW + 28_800_000)
    hosts.on(`POST ${replay.refresh?.request.url}`, () => ({ body: replay.refresh?.answer }))
    const refreshed = await connect('github', replay).refresh?.(new Secret('refresh-1'))
    if (refreshed?.outcome !== 'refreshed') throw new Error(JSON.stringify(refreshed))
    expect(refreshed.tokens.refreshToken?.reveal()).toBe('refresh-2')
    hosts.on(`POST ${replay.refresh?.request.url}`, () => ({ body: { error: 'bad_refresh_token' } }))
    expect(await connect('github', replay).refresh?.(new Secret('refresh-1'))).toMatchObject({ outcome: 'dead' })
  })

  it.each([
    ['absent', {}, false],
    ['false', { xms_edov: false }, false],
    ['some text', { xms_edov: 'yes' }, false],
    ['true', { xms_edov: true }, true],
    ['"1"', { xms_edov: '1' }, true],
  ])('entra: an address with xms_edov %s', async (_what, claims, counts) => {
    const entra = replayOf('entra')
    if (!entra.oidc) throw new Error('not OpenID Connect')
    const { xms_edov: _, ...rest } = entra.oidc.claims
    const replay = { ...entra, oidc: { ...entra.oidc, claims: { ...rest, ...claims } } }
    const outcome = await signIn('entra', undefined, replay)
    expect(outcome).toMatchObject({ outcome: 'signed-in' })
    if (counts) expect(outcome).toHaveProperty('identity.email', 'alice@example.com')
    else expect(outcome).not.toHaveProperty('identity.email')
  })

  it('entra: with many tenants, tokens name the tenant of the user, which must be one of ours (U-11)', async () => {
    const { oidc, ...entra } = replayOf('entra')
    const base = 'https://login.microsoftonline.com/organizations'
    const at = (tid: string): Replay => ({
      ...entra,
      keys: ['tenant: organizations', 'require_claims: { tid: [ours] }'],
      oidc: {
        issuer: `${base}/v2.0`,
        tokenIssuer: `https://login.microsoftonline.com/${tid}/v2.0`,
        metadata: { ...oidc?.metadata, issuer: 'https://login.microsoftonline.com/{tenantid}/v2.0' },
        claims: { ...oidc?.claims, tid },
      },
    })
    expect(await signIn('entra', undefined, at('ours'))).toMatchObject({ outcome: 'signed-in' })
    expect(await signIn('entra', undefined, at('theirs'))).toMatchObject({
      outcome: 'denied',
      reason: 'required_claim_missing',
    })
    const forged = {
      ...at('ours'),
      oidc: { ...at('ours').oidc, tokenIssuer: 'https://login.microsoftonline.com/x/v2.0' },
    }
    expect(await signIn('entra', undefined, forged as Replay)).toMatchObject({ outcome: 'refused' })
  })

  it('google: lets in one Workspace alone when told so (U-11)', async () => {
    const google = replayOf('google')
    const only = (domain: string) => ({ ...google, keys: [`require_claims: { hd: [${domain}] }`] })
    expect(await signIn('google', undefined, only('example.com'))).toMatchObject({ outcome: 'signed-in' })
    expect(await signIn('google', undefined, only('other.example'))).toMatchObject({ outcome: 'denied' })
  })

  it("slack: never takes the bot's token for the user's, and keeps other workspaces out when told so", async () => {
    const slack = replayOf('slack')
    const { authed_user: _, ...bot } = slack.tokens
    expect(await signIn('slack', undefined, { ...slack, tokens: bot })).toEqual({
      outcome: 'refused',
      reason: 'tokens_missing',
    })
    const only = (team: string) => ({ ...slack, keys: [`require_claims: { user.team_id: [${team}] }`] })
    expect(await signIn('slack', undefined, only('T1'))).toMatchObject({ outcome: 'signed-in' })
    expect(await signIn('slack', undefined, only('T2'))).toMatchObject({ outcome: 'denied' })
  })

  it('slack: understands ok: false of the API', async () => {
    const says = (error: string) => () =>
      hosts.on('POST https://slack.com/api/auth.test', () => ({ body: { ok: false, error } }))
    expect(await signIn('slack', says('invalid_auth'))).toMatchObject({ outcome: 'refused', reason: 'invalid_auth' })
    expect(await signIn('slack', says('internal_error'))).toMatchObject({
      outcome: 'unavailable',
      reason: 'internal_error',
    })
  })

  it('atlassian: shows no address that is not said to be verified', async () => {
    const body = { account_id: 'a-1', name: 'Alice', email: 'alice@example.com' }
    const outcome = await signIn('atlassian', () => hosts.on('GET https://api.atlassian.com/me', () => ({ body })))
    expect(outcome).toMatchObject({ outcome: 'signed-in' })
    expect(outcome).not.toHaveProperty('identity.email')
  })

  it('says how long a replaced refresh token lives, where somebody promises it', () => {
    const rules = (name: string) => connect(name, replayOf(name)).refreshRules
    expect(rules('atlassian')).toEqual({ issued: 'sometimes', rotates: 'always', graceMs: 600_000 })
    expect(rules('google')).toEqual({ issued: 'always', rotates: 'never', graceMs: 0 })
    expect(rules('gitlab')).toEqual({ issued: 'always', rotates: 'always', graceMs: 0 })
  })

  it('says which providers end everything when one token is given back (C23)', () => {
    const account = names.filter((name) => connect(name, replayOf(name)).revocationEnds === 'account')
    expect(account).toEqual(['google', 'entra', 'auth0', 'keycloak', 'slack', 'linear', 'notion'])
  })
})
