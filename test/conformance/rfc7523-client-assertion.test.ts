import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DocumentServer, startDocumentServer } from '../fixtures/document-server.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { ask } from '../fixtures/http-exchange.ts'
import { installMovableClock, type MovableClock } from '../fixtures/movable-clock.ts'
import {
  askToken,
  type Changes,
  type KnownClient,
  obtainCode,
  redeem,
  refresh,
  register,
  revoke,
  tokensOf,
} from '../fixtures/oauth-requests.ts'
import { ALICE, passwordProviders } from '../fixtures/password-provider.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'
import { assertionParameters, createSigningKey, type SigningKey } from '../fixtures/signing-client.ts'

const REDIRECT = 'http://127.0.0.1:9/callback'
const CALLERS = 50

let clock: MovableClock
let documents: DocumentServer
let mcp: PlainServer
let gateway: TestGateway
let issuer: string
let key: SigningKey

/** A client with its key, ready to sign. */
interface SigningClient {
  readonly client: KnownClient
  readonly signs: SigningKey
}

beforeAll(async () => {
  clock = installMovableClock()
  key = await createSigningKey('key-1')
  documents = await startDocumentServer()
  mcp = await startPlainServer((_, response) => void response.end('{}'))
  gateway = await startTestGateway({
    providers: await passwordProviders(),
    routes: { '/mcp': { upstream: mcp.url, sign_in: 'home' } },
    clients: {
      metadata_documents: { allow_hosts: ['localhost'] },
      static: [
        {
          client_id: 'declared',
          redirect_uris: [REDIRECT],
          token_endpoint_auth_method: 'private_key_jwt',
          jwks: { keys: [key.publicJwk] },
        },
      ],
    },
    limits: { pages: 100_000, token_requests: 100_000 },
  })
  issuer = gateway.issuer
})

afterAll(async () => {
  await gateway?.close()
  await Promise.all([documents?.close(), mcp?.close()])
  clock?.restore()
})

let published = 0

/** A client named by a document with these members beside private_key_jwt. */
function publishClient(members: Record<string, unknown>, signs = key): SigningClient & { readonly path: string } {
  published += 1
  const path = `/signing/${published}.json`
  const clientId = documents.origin + path
  documents.publish(path, {
    client_id: clientId,
    client_name: 'Signing app',
    redirect_uris: [REDIRECT],
    token_endpoint_auth_method: 'private_key_jwt',
    ...members,
  })
  return { client: { clientId, redirectUri: REDIRECT }, signs, path }
}

/** Parameters of a good assertion, or of one with changed claims. */
async function proof({ client, signs }: SigningClient, claims: Record<string, unknown> = {}): Promise<Changes> {
  return assertionParameters(await signs.assert(client.clientId, issuer, claims))
}

async function tokens(signing: SigningClient) {
  const code = await obtainCode(issuer, signing.client, {}, ALICE)
  return tokensOf(signing.client, await redeem(issuer, code, await proof(signing)))
}

/** A token request that fails for its code alone, once the client is proven. */
async function attempt({ client }: Pick<SigningClient, 'client'>, changes: Changes) {
  const answer = await askToken(issuer, client, { grant_type: 'refresh_token', refresh_token: 'mgh_rt_x' }, changes)
  return [answer.status, answer.json().error]
}

const PROVEN = [400, 'invalid_grant']
const UNPROVEN = [401, 'invalid_client']

describe('private_key_jwt (RFC 7523 §2.2, T-05, T-06)', () => {
  it('is announced with its algorithms (D-36)', async () => {
    const metadata = (await ask(`${issuer}/.well-known/oauth-authorization-server`)).json()
    for (const endpoint of ['token', 'revocation', 'introspection']) {
      expect(metadata[`${endpoint}_endpoint_auth_methods_supported`]).toContain('private_key_jwt')
      expect(metadata[`${endpoint}_endpoint_auth_signing_alg_values_supported`]).toEqual(
        expect.arrayContaining(['ES256', 'RS256', 'PS256', 'EdDSA']),
      )
    }
  })

  it.each<[string, () => Promise<SigningClient>]>([
    ['a document with keys', async () => publishClient({ jwks: { keys: [key.publicJwk] } })],
    [
      'a document with the address of keys',
      async () => publishClient({ jwks_uri: documents.publish('/jwks-1', { keys: [key.publicJwk] }) }),
    ],
    ['the operator', async () => ({ client: { clientId: 'declared', redirectUri: REDIRECT }, signs: key })],
    [
      'registration',
      async () => {
        const metadata = { token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [key.publicJwk] } }
        return { client: await register(issuer, metadata), signs: key }
      },
    ],
  ])('proves a client known from %s at every endpoint, and it cannot go without (R-43, R-63)', async (_, known) => {
    const signing = await known()
    const { client } = signing
    const code = await obtainCode(issuer, client, {}, ALICE)
    for (const without of [{}, { client_secret: 'x' }]) {
      expect((await redeem(issuer, code, without)).json().error).toBe('invalid_client')
    }
    const first = tokensOf(client, await redeem(issuer, code, await proof(signing)))
    expect((await refresh(issuer, client, first.refreshToken)).json().error).toBe('invalid_client')
    const next = tokensOf(client, await refresh(issuer, client, first.refreshToken, await proof(signing)))
    const introspect = (changes: Changes) =>
      ask(`${issuer}/introspect`, { body: new URLSearchParams({ token: next.accessToken, ...(changes as object) }) })
    expect((await introspect(await proof(signing))).json()).toMatchObject({ active: true, client_id: client.clientId })
    expect((await revoke(issuer, client, next.refreshToken)).status).toBe(401)
    expect((await revoke(issuer, client, next.refreshToken, await proof(signing))).status).toBe(200)
    expect((await introspect(await proof(signing))).json()).toEqual({ active: false })
  })

  it.each(['RS256', 'PS256', 'ES384', 'EdDSA'])('takes %s', async (alg) => {
    const signs = await createSigningKey('key', alg)
    const signing = publishClient({ jwks: { keys: [signs.publicJwk] } }, signs)
    expect((await tokens(signing)).accessToken).toMatch(/^mgh_at_/)
  })

  it('takes issuer, issuer with a slash and token endpoint as audience, without client_id too (C9, RFC 7521 §4.2)', async () => {
    const signing = publishClient({ jwks: { keys: [key.publicJwk] } })
    await tokens(signing)
    for (const aud of [issuer, `${issuer}/`, `${issuer}/token`])
      expect(await attempt(signing, { ...(await proof(signing, { aud })), client_id: null })).toEqual(PROVEN)
  })

  it('takes each assertion once, also of 50 callers at once (T-06)', async () => {
    const signing = publishClient({ jwks: { keys: [key.publicJwk] } })
    await tokens(signing)
    const once = await proof(signing)
    const answers = await Promise.all(Array.from({ length: CALLERS }, () => attempt(signing, once)))
    expect(answers.filter(([status]) => status === 400)).toEqual([PROVEN])
    expect(answers.filter(([status]) => status === 401)).toHaveLength(CALLERS - 1)
    expect(await attempt(signing, await proof(signing))).toEqual(PROVEN)
  })

  it('takes times with fractions of a second, each assertion once (RFC 7519 §2, T-06)', async () => {
    const signing = publishClient({ jwks: { keys: [key.publicJwk] } })
    await tokens(signing)
    const now = Date.now() / 1000
    const once = await proof(signing, { iat: now - 0.123_456, nbf: now - 0.5, exp: Math.floor(now) + 60.123_456 })
    expect(await attempt(signing, once)).toEqual(PROVEN)
    expect(await attempt(signing, once)).toEqual(UNPROVEN)
  })

  it('keeps the jtis of different clients apart', async () => {
    const [one, two] = [
      publishClient({ jwks: { keys: [key.publicJwk] } }),
      publishClient({ jwks: { keys: [key.publicJwk] } }),
    ]
    for (const signing of [one, two]) {
      await tokens(signing)
      expect(await attempt(signing, await proof(signing, { jti: 'the same' }))).toEqual(PROVEN)
    }
    expect(await attempt(one, await proof(one, { jti: 'the same' }))).toEqual(UNPROVEN)
  })
})

describe('keys that change', () => {
  it('are looked at again when an unknown one appears, once a minute (R-43)', async () => {
    const url = documents.publish('/jwks-rotating', { keys: [key.publicJwk] })
    const looks = () => documents.seen.filter(({ path }) => path === '/jwks-rotating').length
    const signing = publishClient({ jwks_uri: url })
    await tokens(signing)
    expect(looks()).toBe(1)
    const next = await createSigningKey('key-2')
    documents.publish('/jwks-rotating', { keys: [next.publicJwk] })
    clock.advance(60_001)
    expect(await attempt(signing, await proof({ ...signing, signs: next }))).toEqual(PROVEN)
    expect(looks()).toBe(2)
    const unknown = await createSigningKey('key-3')
    for (let count = 0; count < 5; count += 1)
      expect(await attempt(signing, await proof({ ...signing, signs: unknown }))).toEqual(UNPROVEN)
    expect(looks()).toBe(2)
    expect(await attempt(signing, await proof(signing))).toEqual(UNPROVEN)
  })

  it('in the document itself are looked at again, too', async () => {
    const signing = publishClient({ jwks: { keys: [key.publicJwk] } })
    await tokens(signing)
    const next = await createSigningKey('key-2')
    const { clientId } = signing.client
    documents.publish(signing.path, {
      client_id: clientId,
      client_name: 'Signing app',
      redirect_uris: [REDIRECT],
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [next.publicJwk] },
    })
    clock.advance(60_001)
    expect(await attempt(signing, await proof({ ...signing, signs: next }))).toEqual(PROVEN)
    expect(await attempt(signing, await proof(signing))).toEqual(UNPROVEN)
  })

  it('and cannot be read are an outage, not the client’s fault; what was read before still counts (T-21, T-22, C29)', async () => {
    const url = documents.publish('/jwks-away', { keys: [key.publicJwk] })
    const signing = publishClient({ jwks_uri: url })
    const code = await obtainCode(issuer, signing.client, {}, ALICE)
    documents.answers.set('/jwks-away', (_, response) => response.writeHead(500).end())
    const away = await redeem(issuer, code, await proof(signing))
    expect([away.status, away.json().error]).toEqual([503, 'temporarily_unavailable'])
    expect(away.headers['retry-after']).toBeDefined()
    documents.publish('/jwks-away', { keys: [key.publicJwk] })
    clock.advance(5001)
    const first = tokensOf(signing.client, await redeem(issuer, code, await proof(signing)))
    documents.answers.set('/jwks-away', (_, response) => response.writeHead(500).end())
    clock.advance(23 * 3_600_000)
    expect((await refresh(issuer, signing.client, first.refreshToken, await proof(signing))).status).toBe(200)
  })
})

describe('an assertion proves nothing (RFC 7523 §3, B059)', () => {
  let signing: SigningClient

  beforeAll(async () => {
    signing = publishClient({ jwks: { keys: [key.publicJwk] } })
    await tokens(signing)
  })

  it.each<[string, Record<string, unknown>]>([
    ['for another audience', { aud: 'https://other.example' }],
    ['for two audiences', { aud: ['https://other.example', 'https://another.example'] }],
    ['without an audience', { aud: null }],
    ['from another issuer', { iss: 'https://other.example/client' }],
    ['without an end', { exp: null }],
    ['that is over', { exp: 1 }],
    ['that lives for an hour', { exp: Math.floor(Date.now() / 1000) + 10 * 86_400 }],
    ['without a jti', { jti: null }],
  ])('%s', async (_, claims) => {
    expect(await attempt(signing, await proof(signing, claims))).toEqual(UNPROVEN)
    expect(await attempt(signing, await proof(signing))).toEqual(PROVEN)
  })

  it.each<[string, (assertion: string) => string]>([
    ['without a signature', (assertion) => `${assertion.split('.').slice(0, 2).join('.')}.`],
    ['with algorithm none', (assertion) => `${part({ alg: 'none' })}.${assertion.split('.')[1]}.`],
    ['with a broken signature', (assertion) => `${assertion.slice(0, -8)}AAAAAAAA`],
    ['with other claims than were signed', (assertion) => assertion.replace(/\.[^.]+\./, `.${part({ sub: 'x' })}.`)],
    ['that is no JWT', () => 'x.y.z'],
    ['that is empty text', () => 'x'],
    ['of 20 KB', () => `${'x'.repeat(20_000)}.y.z`],
  ])('%s', async (_, change) => {
    const assertion = await signing.signs.assert(signing.client.clientId, issuer)
    expect(await attempt(signing, { ...assertionParameters(change(assertion)), client_id: null })).toEqual(UNPROVEN)
  })

  it('signed with a public key as shared secret (RFC 8725 §2.1)', async () => {
    const { clientId } = signing.client
    const claims = { iss: clientId, sub: clientId, aud: issuer, exp: Math.floor(Date.now() / 1000) + 60, jti: 'hmac' }
    const signed = `${part({ alg: 'HS256', kid: 'key-1' })}.${part(claims)}`
    const mac = createHmac('sha256', JSON.stringify(key.publicJwk)).update(signed).digest('base64url')
    expect(await attempt(signing, assertionParameters(`${signed}.${mac}`))).toEqual(UNPROVEN)
  })

  it('signed with a foreign key, under its own id or that of another', async () => {
    for (const signs of [await createSigningKey('key-1'), await createSigningKey('unknown')])
      expect(await attempt(signing, await proof({ ...signing, signs }))).toEqual(UNPROVEN)
  })

  it.each<[string, Record<string, unknown>]>([
    ['that says it is a token of another kind', { typ: 'at+jwt' }],
    ['that asks for an extension', { crit: ['b64'], b64: false }],
    ['that brings its own key', { kid: null, jwk: { kty: 'EC' }, typ: 'dpop+jwt' }],
  ])('%s', async (_, header) => {
    const { clientId } = signing.client
    const assertion = await signing.signs.assert(clientId, issuer, {}, header).catch(() => undefined)
    const sent = assertion ?? `${part({ alg: 'ES256', ...header })}.${part({ sub: clientId })}.AAAA`
    expect(await attempt(signing, assertionParameters(sent))).toEqual(UNPROVEN)
  })

  it('for a client that registered another method, or of another type (R-63)', async () => {
    const plain = { client: await register(issuer), signs: key }
    expect(await attempt(plain, await proof(plain))).toEqual(UNPROVEN)
    const good = await proof(signing)
    const saml = { ...good, client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:saml2-bearer' }
    expect(await attempt(signing, { ...saml, client_id: null })).toEqual(UNPROVEN)
    expect(await attempt(signing, good)).toEqual(PROVEN)
  })

  it('beside another proof, for another client_id, or half (RFC 6749 §2.3)', async () => {
    for (const more of [
      { client_secret: 'x' },
      { client_id: 'declared' },
      { client_assertion_type: null },
      { client_assertion: null },
    ])
      expect(await attempt(signing, { ...(await proof(signing)), ...more })).toEqual([400, 'invalid_request'])
  })
})

describe('registration with keys (RFC 7591 §2)', () => {
  const METADATA = { client_name: 'x', redirect_uris: [REDIRECT], token_endpoint_auth_method: 'private_key_jwt' }
  const send = (members: Record<string, unknown>) => ask(`${issuer}/register`, { body: { ...METADATA, ...members } })

  it('answers what was registered, and no secret', async () => {
    const answer = await send({ jwks: { keys: [key.publicJwk] } })
    expect([answer.status, answer.json().jwks]).toEqual([201, { keys: [key.publicJwk] }])
    expect(answer.json()).not.toHaveProperty('client_secret')
    const uri = 'https://app.example/jwks.json'
    expect((await send({ jwks_uri: uri })).json()).toMatchObject({ jwks_uri: uri })
  })

  it.each<[string, () => Record<string, unknown>]>([
    ['without keys', () => ({})],
    ['with a private key', () => ({ jwks: { keys: [key.privateJwk] } })],
    ['with a shared key', () => ({ jwks: { keys: [{ kty: 'oct', k: 'x' }] } })],
    ['with both kinds', () => ({ jwks: { keys: [key.publicJwk] }, jwks_uri: 'https://app.example/jwks' })],
    ['with keys on this computer', () => ({ jwks_uri: 'https://127.0.0.1/jwks' })],
    [
      'with a symmetric algorithm',
      () => ({ jwks: { keys: [key.publicJwk] }, token_endpoint_auth_signing_alg: 'HS256' }),
    ],
  ])('is refused %s (B059)', async (_, members) => {
    const answer = await send(members())
    expect([answer.status, answer.json().error]).toEqual([400, 'invalid_client_metadata'])
  })
})

function part(members: Record<string, unknown>): string {
  return Buffer.from(JSON.stringify(members)).toString('base64url')
}
