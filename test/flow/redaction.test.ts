import { createHash, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hashPassword } from '../../src/domain/password-hash.ts'
import { type Browser, createBrowser, type Page } from '../fixtures/browser.ts'
import { freePort } from '../fixtures/free-port.ts'
import { type SpawnedGateway, spawnTestGateway } from '../fixtures/gateway.ts'
import { type IdentityProvider, startIdentityProvider } from '../fixtures/identity-provider.ts'
import { callMcp } from '../fixtures/mcp-call.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'
import { oidcProviders } from '../fixtures/provider-gateway.ts'
import { findSecrets, type KnownSecret } from '../fixtures/secret-search.ts'

const REDIRECT_URI = 'http://127.0.0.1:9/callback'
const CLIENT_ID = 'confidential-client'
/** Must be found in the log: otherwise the search proves nothing. */
const HARMLESS_USER = 'harmless-user-name'
const PASSWORD = 'a password with spaces & signs'

const secrets: KnownSecret[] = []
const errorBodies: string[] = []
let provider: IdentityProvider
let server: PlainServer
let gateway: SpawnedGateway
let metrics: string
let output: string

function note<T extends string>(name: string, value: T): T {
  secrets.push({ name, value })
  return value
}

const clientSecret = note('client secret', randomBytes(24).toString('base64url'))
const personalAccessToken = note('PAT', `pat_${randomBytes(24).toString('base64url')}`)
note('password', PASSWORD)

beforeAll(async () => {
  provider = await startIdentityProvider()
  note("provider's client secret", provider.clientSecret)
  server = await startPlainServer((request, response) => {
    const credential = request.headers.authorization?.replace('Bearer ', '') ?? ''
    if (credential !== personalAccessToken) note("provider's access token", credential)
    const location = `https://user:${credential}@login.example/?token=${credential}#${credential}`
    if (request.url === '/mcp/moved') response.writeHead(302, { location }).end()
    else response.end('{}')
  })
  const passwordHash = note('password hash', await hashPassword(PASSWORD))
  const shared = { sign_in: 'home', credential: { kind: 'static', value: personalAccessToken } }
  gateway = await spawnTestGateway(
    {
      providers: {
        ...oidcProviders(provider),
        home: { type: 'password', users: { [HARMLESS_USER]: passwordHash } },
      },
      routes: {
        '/corp': { upstream: server.url, sign_in: 'corp', credential: { kind: 'provider-token' } },
        '/pat': { upstream: server.url, ...shared },
        '/moved': { upstream: `${server.url}/moved`, ...shared },
        '/down': { upstream: `http://127.0.0.1:${await freePort()}/mcp`, ...shared },
      },
      clients: {
        static: [
          {
            client_id: CLIENT_ID,
            redirect_uris: [REDIRECT_URI],
            token_endpoint_auth_method: 'client_secret_basic',
            client_secret: clientSecret,
          },
        ],
      },
    },
    { LOG_LEVEL: 'trace' },
  )
  note('encryption key', gateway.encryptionKey)
  provider.allowRedirect(`${gateway.issuer}/callback/corp`)
  await succeed()
  await fail()
  for (const { form } of provider.requests) {
    for (const name of ['code', 'code_verifier', 'refresh_token', 'client_secret']) {
      const value = form.get(name)
      if (value) note(`${name} at the provider`, value)
    }
  }
  metrics = await (await fetch(`${gateway.operations}/metrics`)).text()
  gateway.process().signal('SIGTERM')
  await gateway.process().ended
  output = gateway.output()
})

afterAll(async () => {
  await gateway?.close()
  await server?.close()
  await provider?.close()
})

/** Notes everything secret that a browser gets to see. */
function see(browser: Browser, page: Page): Page {
  for (const url of page.visited) {
    for (const name of ['code', 'state', 'nonce']) {
      const value = url.searchParams.get(name)
      if (value) note(`${name} in an address`, value)
    }
    for (const [name, value] of browser.cookies(url)) note(`cookie ${name}`, value)
  }
  for (const form of page.forms)
    for (const [name, value] of Object.entries(form.values)) if (value !== '') note(`field ${name}`, value)
  if (page.status >= 400 && page.forms.length === 0) errorBodies.push(page.body)
  return page
}

interface Begun {
  readonly browser: Browser
  readonly verifier: string
  /** The page that asks for consent. */
  readonly consent: Page
}

async function begin(route: string): Promise<Begun> {
  const browser = createBrowser({ stopAt: [REDIRECT_URI] })
  const verifier = note('code verifier', randomBytes(32).toString('base64url'))
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: CLIENT_ID,
    redirect_uri: REDIRECT_URI,
    resource: `${gateway.issuer}${route}`,
    state: note('state of the client', randomBytes(16).toString('base64url')),
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  })
  return { browser, verifier, consent: see(browser, await browser.get(`${gateway.issuer}/authorize?${query}`)) }
}

async function approve({ browser, consent }: Begun): Promise<Page> {
  return see(browser, await browser.submit(consent.form(), { decision: 'approve' }))
}

/** A token request of the confidential client; notes what came back. */
async function ask(parameters: Record<string, string>, secret: string = clientSecret): Promise<Record<string, string>> {
  const basic = Buffer.from(`${CLIENT_ID}:${secret}`).toString('base64')
  const answer = await fetch(`${gateway.issuer}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${note('Basic credentials', basic)}` },
    body: new URLSearchParams(parameters),
  })
  const body = await answer.text()
  if (!answer.ok) errorBodies.push(body)
  const tokens: Record<string, string> = JSON.parse(body)
  for (const name of ['access_token', 'refresh_token']) if (tokens[name]) note(name, tokens[name])
  return tokens
}

async function call(route: string, token: string, init?: RequestInit): Promise<number> {
  const answer = await callMcp(`${gateway.issuer}${route}`, token, init)
  if (!answer.ok) errorBodies.push(await answer.text())
  return answer.status
}

async function signInWithPassword(route: string): Promise<Record<string, string>> {
  const begun = await begin(route)
  const page = await approve(begun)
  const wrong = note('wrong password', `not-the-password-${randomBytes(8).toString('hex')}`)
  const retry = await begun.browser.submit(page.form(), { username: HARMLESS_USER, password: wrong })
  expect(see(begun.browser, retry).status).toBe(403)
  const back = await begun.browser.submit(retry.form(), { username: HARMLESS_USER, password: PASSWORD })
  const code = see(begun.browser, back).url.searchParams.get('code') ?? ''
  return ask({ grant_type: 'authorization_code', code, code_verifier: begun.verifier, redirect_uri: REDIRECT_URI })
}

async function succeed(): Promise<void> {
  const begun = await begin('/corp')
  const code = (await approve(begun)).url.searchParams.get('code') ?? ''
  const redemption = { grant_type: 'authorization_code', code, redirect_uri: REDIRECT_URI }
  const wrong = note('wrong verifier', randomBytes(32).toString('base64url'))
  expect(await ask({ ...redemption, code_verifier: wrong })).toMatchObject({ error: 'invalid_grant' })
  const tokens = await ask({ ...redemption, code_verifier: begun.verifier })
  expect(await call('/corp', tokens.access_token ?? '')).toBe(200)
  const refreshed = await ask({ grant_type: 'refresh_token', refresh_token: tokens.refresh_token ?? '' })
  expect(await call('/corp', refreshed.access_token ?? '')).toBe(200)

  const shared = await signInWithPassword('/pat')
  expect(await call('/pat', shared.access_token ?? '')).toBe(200)
  const down = await signInWithPassword('/down')
  expect(await call('/down', down.access_token ?? '')).toBe(502)
  const moved = await signInWithPassword('/moved')
  expect(await call('/moved', moved.access_token ?? '')).toBe(502)
  expect(await call('/pat', down.access_token ?? '')).toBe(401)
  // Redeemed twice: the grant is revoked, and that is logged too.
  expect(await ask({ ...redemption, code_verifier: begun.verifier })).toMatchObject({ error: 'invalid_grant' })
  expect(await call('/corp', refreshed.access_token ?? '')).toBe(401)
}

async function fail(): Promise<void> {
  const random = () => randomBytes(32).toString('base64url')
  const invalidGrant = { error: 'invalid_grant' }
  const wrongCode = note('wrong code', `mgh_ac_${random()}`)
  const code = { grant_type: 'authorization_code', code: wrongCode, code_verifier: note('verifier', random()) }
  expect(await ask(code)).toMatchObject(invalidGrant)
  expect(await ask(code, note('wrong client secret', random()))).toMatchObject({ error: 'invalid_client' })
  const junk = note('wrong refresh token', `mgh_rt_${random()}`)
  expect(await ask({ grant_type: 'refresh_token', refresh_token: junk })).toMatchObject(invalidGrant)
  expect(await ask({ grant_type: note('secret in the wrong field', random()) })).toHaveProperty('error')
  const foreign = note('foreign token', `ghp_${random()}`)
  for (const token of [foreign, note('unknown token', `mgh_at_${random()}`), `${foreign} ${foreign}`])
    expect(await call('/pat', token)).toBe(401)
  expect(await call(`/pat?access_token=${foreign}`, '')).toBe(400)

  await failInBrowser(random)
  const broken = await fetch(`${gateway.issuer}/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: `{"client_secret":"${note('secret in broken JSON', random())}", `,
  })
  expect(broken.status).toBe(400)
  errorBodies.push(await broken.text())
}

async function failInBrowser(random: () => string): Promise<void> {
  provider.setMode({ signIn: 'deny' })
  const denied = await approve(await begin('/corp'))
  expect(denied.url.searchParams.get('error')).toBe('access_denied')
  provider.setMode({ signIn: 'approve', tokenEndpoint: 'unavailable' })
  const away = await approve(await begin('/corp'))
  expect(away.url.searchParams.get('error')).toBe('temporarily_unavailable')
  provider.setMode({ tokenEndpoint: 'html' })
  expect((await approve(await begin('/corp'))).url.searchParams.has('error')).toBe(true)
  provider.setMode({ tokenEndpoint: 'ok' })

  // The callback of a sign-in, in a browser that never approved it, and once more with a state that never was.
  const elsewhere = createBrowser()
  const begun = await begin('/pat')
  const address = (await approve(begun)).url
  expect(see(elsewhere, await elsewhere.get(address)).status).toBe(403)
  const invented = new URLSearchParams({ code: note('code', random()), state: note('state', `${random()}.x`) })
  const answer = await elsewhere.get(`${gateway.issuer}/callback/corp?${invented}`)
  expect(see(elsewhere, answer).status).toBe(400)
}

describe('secrets, at log level trace, in a run full of failures', () => {
  it('occurred in great number, of every kind', () => {
    const kinds = new Set(secrets.map(({ name }) => name))
    for (const kind of ['access_token', 'refresh_token', 'field csrf', 'code in an address', 'code at the provider'])
      expect(kinds).toContain(kind)
    expect([...kinds].some((kind) => kind.startsWith('cookie gatehouse'))).toBe(true)
    expect(kinds).toContain("provider's access token")
    expect(secrets.every(({ value }) => value.length >= 16)).toBe(true)
    expect(errorBodies.length).toBeGreaterThan(10)
  })

  it('are nowhere in stdout and stderr (P-24)', () => {
    expect(findSecrets(output, secrets)).toEqual([])
  })

  it('are nowhere in the metrics', () => {
    expect(findSecrets(metrics, secrets)).toEqual([])
  })

  it('are nowhere in the bodies of errors', () => {
    for (const body of errorBodies) expect(findSecrets(body, secrets), body).toEqual([])
  })

  it('would have been found: what is harmless is there', () => {
    const found = findSecrets(output, [{ name: 'user', value: HARMLESS_USER }])
    expect(found).toContain('user (plain)')
    expect(findSecrets(metrics, [{ name: 'route', value: '/down' }])).toContain('route (plain)')
    expect(errorBodies.join()).toContain('invalid_grant')
  })

  it.each([
    ['plain', (value: string) => `x${value}y`],
    ['percent-encoded', (value: string) => encodeURIComponent(value).toLowerCase()],
    ['form-encoded', (value: string) => new URLSearchParams({ x: value }).toString()],
    ['base64', (value: string) => Buffer.from(`name:${value}!`).toString('base64')],
    ['base64url', (value: string) => Buffer.from(value).toString('base64url')],
    ['hex', (value: string) => Buffer.from(value).toString('hex').toUpperCase()],
    ['its end', (value: string) => `…${value.slice(-16)}`],
  ])('are recognised %s', (how, disguise) => {
    const value = `${PASSWORD} of 32 characters and more`
    expect(findSecrets(disguise(value), [{ name: 'it', value }])).toContain(`it (${how})`)
    expect(findSecrets(disguise('something else altogether'), [{ name: 'it', value }])).toEqual([])
  })
})
