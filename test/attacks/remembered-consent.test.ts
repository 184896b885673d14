import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { PASSWORD_USER, type Rig, startRig } from '../conformance/rig.ts'
import type { Browser, Page } from '../fixtures/browser.ts'
import { cookiesOf, joinCookies, openConsent, postDecision, SAME_ORIGIN } from '../fixtures/consent-steps.ts'
import { ask } from '../fixtures/http-exchange.ts'
import { installMovableClock, type MovableClock } from '../fixtures/movable-clock.ts'
import {
  approve,
  authorizeUrl,
  browserFor,
  type Changes,
  type KnownClient,
  obtainCode,
  register,
} from '../fixtures/oauth-requests.ts'

const WEB = 'https://app.example/cb'
const OTHER = 'https://app.example/other'
const HOUR_MS = 3_600_000

let rig: Rig
let clock: MovableClock
let client: KnownClient
/** Alice approved `client` for route one in this one. */
let browser: Browser

beforeAll(async () => {
  clock = installMovableClock()
  rig = await startRig({ yaml: { consent: { remember: '1h' } } })
  return async () => {
    await rig.close()
    clock.restore()
  }
})
beforeEach(async () => {
  rig.identityProvider.setCurrentAccount('alice')
  client = await register(rig.issuer, { redirect_uris: [WEB, OTHER] })
  browser = (await obtainCode(rig.issuer, client, { resource: rig.one })).browser
})
afterEach(() => rig.identityProvider.setCurrentAccount('alice'))

function again(changes: Changes = {}, who: KnownClient = client, where: Browser = browser): Promise<Page> {
  return where.get(authorizeUrl(rig.issuer, who, { resource: rig.one, ...changes }))
}

/** The consent page, and nothing that went on without it. */
function expectQuestion(page: Page): void {
  expect([page.status, page.stopped]).toEqual([200, false])
  expect(page.form().choices('decision')).toEqual(['deny', 'approve'])
}

/** Straight to the provider and back to the client with a code. */
function expectCode(page: Page): void {
  expect(page.stopped, page.body).toBe(true)
  expect(page.url.searchParams.get('code')).toMatch(/^mgh_ac_/)
}

describe('what was approved is not asked again (A-38)', () => {
  it('in the same browser, for the same client, route and address, when the user comes by himself', async () => {
    const page = await again({ state: 'second' })
    expectCode(page)
    expect(page.url.searchParams.get('state')).toBe('second')
    expect(page.visited.some((url) => url.origin === rig.identityProvider.issuer)).toBe(true)
    const given = rig.log().match(/\{[^\n]*"event":"consent_given"[^\n]*/g) ?? []
    expect(given.slice(-2).map((line) => JSON.parse(line).remembered)).toEqual([false, true])
  })

  it('until it is too old', async () => {
    expectCode(await again())
    clock.advance(HOUR_MS + 1000)
    expectQuestion(await again())
  })
})

describe('any difference is another question (A-38, B113)', () => {
  it.each<[string, () => Changes]>([
    ['another redirect URI of the same client', () => ({ redirect_uri: OTHER })],
    ['another server', () => ({ resource: rig.two })],
    ['no server named', () => ({ resource: null })],
    ['a client that wants the user to be asked (prompt=consent)', () => ({ prompt: 'consent' })],
    ['a client that wants the user to sign in (prompt=login)', () => ({ prompt: 'login' })],
  ])('%s', async (_, changes) => {
    expectQuestion(await again(changes()))
    expectCode(await again())
  })

  it('another client that says the very same of itself', async () => {
    const double = await register(rig.issuer, { redirect_uris: [WEB, OTHER] })
    expectQuestion(await again({}, double))
  })

  it('another browser', async () => {
    expectQuestion(await again({}, client, browserFor(client)))
  })

  it.each<[string, Record<string, unknown>]>([
    ['its name', { client_name: 'Somebody else' }],
    ['its redirect URIs', { redirect_uris: [WEB, OTHER, 'https://evil.example/cb'] }],
    ['its website', { client_uri: 'https://app.example/' }],
  ])('a client that has changed %s since (R-45)', async (_, changes) => {
    const metadata = { client_name: 'A', redirect_uris: [WEB, OTHER], token_endpoint_auth_method: 'none' }
    const registered = (await ask(`${rig.issuer}/register`, { body: metadata })).json()
    const known = { clientId: String(registered.client_id), redirectUri: WEB }
    const where = (await obtainCode(rig.issuer, known, { resource: rig.one })).browser
    expectCode(await again({}, known, where))
    const updated = await ask(String(registered.registration_client_uri), {
      method: 'PUT',
      headers: { authorization: `Bearer ${registered.registration_access_token}` },
      body: { ...metadata, client_id: known.clientId, ...changes },
    })
    expect(updated.status).toBe(200)
    expectQuestion(await again({}, known, where))
  })
})

describe('nobody else can use an approval', () => {
  it('another user who signs in gets no code, and the next visit asks (B113)', async () => {
    rig.identityProvider.setCurrentAccount('bob')
    // The provider ends alice's session there by a page of its own, which real browsers submit at once.
    const page = await browser.submit((await again()).form())
    expect(page.stopped).toBe(true)
    expect(page.url.searchParams.get('error')).toBe('access_denied')
    expect(page.url.searchParams.get('code')).toBeNull()
    expectQuestion(await again())
  })

  it('another site that sends the user here does not get around the question (B112)', async () => {
    const elsewhere = { url: new URL('http://evil.example/') } as Page
    const sent = authorizeUrl(rig.issuer, client, { resource: rig.one })
    expectQuestion(await browser.get(sent, elsewhere))
    expectCode(await again())
  })

  it.each<[string, Record<string, string>]>([
    ['is missing', {}],
    ['says same-site', { 'sec-fetch-site': 'same-site' }],
    ['says cross-site', { 'sec-fetch-site': 'cross-site' }],
    ['is made up', { 'sec-fetch-site': 'None' }],
  ])('a visit whose Sec-Fetch-Site %s is asked (B112)', async (_, headers) => {
    const cookie = [...browser.cookies(rig.issuer)].map(([name, value]) => `${name}=${value}`).join('; ')
    const url = authorizeUrl(rig.issuer, client, { resource: rig.one })
    expect((await ask(url, { headers: { cookie, 'sec-fetch-site': 'none' } })).status).toBe(303)
    const asked = await ask(url, { headers: { cookie, ...headers } })
    expect([asked.status, asked.headers.location]).toEqual([200, undefined])
    expect(asked.body).toContain('value="approve"')
  })

  it('a cookie that was changed, moved to another browser or given a later end is worth nothing (A-38)', async () => {
    const cookies = [...browser.cookies(rig.issuer)]
    const [remembered] = cookies.filter(([name]) => name.includes('-ok-'))
    const [form] = cookies.filter(([name]) => name.endsWith('-form'))
    if (!remembered || !form) throw new Error(`no such cookies: ${cookies}`)
    const [name, value] = remembered
    const [until = '', owner = '', mac = ''] = value.split('.')
    const url = authorizeUrl(rig.issuer, client, { resource: rig.one })
    const withCookies = (...pairs: readonly (readonly [string, string])[]) => {
      const cookie = pairs.map((pair) => pair.join('=')).join('; ')
      return ask(url, { headers: { cookie, 'sec-fetch-site': 'none' } })
    }
    expect((await withCookies(form, [name, value])).status).toBe(303)
    const flipped = mac.startsWith('A') ? `B${mac.slice(1)}` : `A${mac.slice(1)}`
    for (const forged of [
      `${Number(until) + HOUR_MS}.${owner}.${mac}`,
      `${until}.${owner.toLowerCase()}x.${mac}`,
      `${until}.${owner}.${flipped}`,
      `${until}.${owner}.`,
      `${value}.${value}`,
      '',
    ])
      expect((await withCookies(form, [name, forged])).status, forged).toBe(200)
    expect((await withCookies([name, value])).status).toBe(200)
    expect((await withCookies([form[0], 'A'.repeat(43)], [name, value])).status).toBe(200)
    expect((await withCookies(form, form, [name, value])).status).toBe(200)
  })
})

describe('programs on the user’s computer are always asked about (A-38, B113)', () => {
  it.each([
    ['on loopback', ['http://127.0.0.1:9/callback']],
    ['behind a scheme of its own', ['cursor://anysphere.cursor-mcp/oauth/callback']],
    ['on the web, that could be on loopback as well', [WEB, 'http://localhost/callback']],
    ['on the web, that could have a scheme as well', [WEB, 'cursor://anysphere.cursor-mcp/oauth/callback']],
  ])('a client %s', async (_, redirectUris) => {
    const native = await register(rig.issuer, { redirect_uris: redirectUris })
    const where = browserFor(native)
    const end = await approve(where, await again({}, native, where))
    expect(end.stopped || end.body.includes('You are signed in')).toBe(true)
    expectQuestion(await again({}, native, where))
    expect([...where.cookies(rig.issuer).keys()].filter((name) => name.includes('-ok-'))).toEqual([])
  })
})

it('a browser keeps its newest approvals: all of them together would be more than a request may carry (B272)', async () => {
  const older = Array.from({ length: 60 }, (_, index) => `gatehouse-ok-${String(index).padStart(16, '0')}`)
  const cookie = older.map((name) => `${name}=${'x'.repeat(101)}`).join('; ')
  const page = await openConsent(rig.issuer, client, { resource: rig.home }, cookie)
  const approved = await postDecision(page)
  const cookies = joinCookies(page.cookie, approved)
  const state = new URL(approved.headers.location ?? '').searchParams.get('state') ?? ''
  const body = new URLSearchParams({ ...PASSWORD_USER, state })
  const ended = await ask(`${rig.issuer}/callback/home`, { body, headers: { ...SAME_ORIGIN, cookie: cookies } })
  expect(ended.headers.location).toContain(`${WEB}?code=`)
  const dropped = (ended.headers['set-cookie'] ?? []).filter((line) => /^gatehouse-ok-[0-9]{16}=;/.test(line))
  expect(dropped.map((line) => line.slice(0, 29))).toEqual(older.slice(0, 29))
  expect([...cookiesOf(ended).keys()].filter((name) => name.includes('-ok-'))).toHaveLength(1)
})

describe('what is not an approval', () => {
  it('a denial, and a consent whose sign-in never ended (A-38, B116)', async () => {
    const fresh = browserFor(client)
    const denied = await fresh.submit((await again({}, client, fresh)).form(), { decision: 'deny' })
    expect(denied.url.searchParams.get('error')).toBe('access_denied')
    expectQuestion(await again({}, client, fresh))

    rig.identityProvider.setMode({ signIn: 'deny' })
    const refused = await approve(fresh, await again({}, client, fresh))
    expect(refused.url.searchParams.get('error')).toBe('access_denied')
    rig.identityProvider.setMode({ signIn: 'approve' })
    expectQuestion(await again({}, client, fresh))
  })

  it('opening the page sets no cookie that remembers (A-36)', async () => {
    const page = await openConsent(rig.issuer, client, { resource: rig.one })
    expect([...cookiesOf(page.answer).keys()].filter((name) => name.includes('-ok-'))).toEqual([])
    expect(joinCookies('', page.answer)).not.toContain('-ok-')
  })
})
