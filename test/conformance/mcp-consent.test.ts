import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { cookiesOf, joinCookies, openConsent, postDecision } from '../fixtures/consent-steps.ts'
import { ask } from '../fixtures/http-exchange.ts'
import {
  approve,
  authorizeUrl,
  browserFor,
  type KnownClient,
  obtainCode,
  redeem,
  register,
} from '../fixtures/oauth-requests.ts'
import { PASSWORD_USER, type Rig, startRig } from './rig.ts'

let rig: Rig
let client: KnownClient
beforeAll(async () => {
  rig = await startRig()
  client = await register(rig.issuer, { client_name: 'Some App' })
  return () => rig.close()
})
beforeEach(() => rig.identityProvider.setCurrentAccount('alice'))

function open(changes = {}) {
  return openConsent(rig.issuer, client, { resource: rig.one, ...changes })
}

function signInsBegun(): number {
  return rig.identityProvider.requests.filter(({ path }) => path === '/auth').length
}

describe('the page', () => {
  it('comes before anything is asked of the provider (A-30, B100, X-01)', async () => {
    const before = signInsBegun()
    const page = await open()
    expect(signInsBegun()).toBe(before)
    const approved = await postDecision(page)
    expect(approved.status).toBe(303)
    expect(approved.headers.location?.startsWith(`${rig.identityProvider.issuer}/auth?`)).toBe(true)
  })

  it('says who asks, for which server, and where the answer goes (A-32, A-42)', async () => {
    const { body } = (await open()).answer
    for (const fact of ['Some App', 'Server one', rig.one, '127.0.0.1', client.redirectUri])
      expect(body).toContain(fact)
  })

  it('may be loaded twice: both copies are good, and one decision counts (A-33)', async () => {
    const first = await open()
    const second = await openConsent(rig.issuer, client, { resource: rig.one }, first.cookie)
    expect(second.form.values.interaction).not.toBe(first.form.values.interaction)
    expect((await postDecision({ ...first, cookie: second.cookie })).status).toBe(303)
    expect((await postDecision(second)).status).toBe(303)
  })

  it('is asked for every time: nothing is remembered by default (A-31, A-38)', async () => {
    const { browser } = await obtainCode(rig.issuer, client, { resource: rig.one })
    const again = await browser.get(authorizeUrl(rig.issuer, client, { resource: rig.one }))
    expect(again.form().names).toContain('decision')
  })

  it('can be neither framed nor cached, runs nothing, and asks for nothing elsewhere (A-22, A-34, A-39, A-43)', async () => {
    const { answer } = await open()
    const policy = String(answer.headers['content-security-policy'])
    for (const part of ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"])
      expect(policy).toContain(part)
    expect(policy).not.toContain('form-action')
    expect(policy).not.toContain('unsafe-')
    expect(policy).not.toContain('script-src')
    expect(answer.headers).toMatchObject({
      'x-frame-options': 'DENY',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
    })
    expect(answer.body).not.toMatch(/<script|<iframe|<img|\son\w+=|src=/i)
  })

  it.each<[string, Record<string, string>]>([
    ['in a frame', { 'sec-fetch-dest': 'iframe' }],
    ['in an object', { 'sec-fetch-dest': 'object' }],
    ['as a prefetch', { 'sec-purpose': 'prefetch' }],
    ['as a prerender', { 'sec-purpose': 'prefetch;prerender' }],
    ['as an old prefetch', { purpose: 'prefetch' }],
  ])('is not shown %s (A-44)', async (_, headers) => {
    const answer = await ask(authorizeUrl(rig.issuer, client), { headers })
    expect(answer.status).toBe(403)
    expect(answer.body).not.toContain('<form')
    expect(answer.headers['set-cookie']).toBeUndefined()
  })
})

describe('the decision', () => {
  it.each<[string, Record<string, string | null>, Record<string, string | null>]>([
    ['without token', { csrf: null }, {}],
    ['with an empty token', { csrf: '' }, {}],
    ['with another token', { csrf: 'A'.repeat(43) }, {}],
    ['without the cookie', {}, { cookie: null }],
    ['from another site', {}, { 'sec-fetch-site': 'cross-site' }],
    ['from a sister site', {}, { 'sec-fetch-site': 'same-site' }],
    ['typed in', {}, { 'sec-fetch-site': 'none' }],
    ['with a foreign Origin', {}, { origin: 'https://evil.example', 'sec-fetch-site': null }],
    ['with a foreign Origin that claims to be ours', {}, { origin: 'https://evil.example' }],
    ['with Origin null and nothing else', {}, { origin: 'null', 'sec-fetch-site': null }],
  ])('%s is refused with 403 and changes nothing (A-33, B104)', async (_, fields, headers) => {
    const page = await open()
    const before = signInsBegun()
    const refused = await postDecision(page, fields, headers)
    expect(refused.status).toBe(403)
    expect(refused.headers.location).toBeUndefined()
    expect(signInsBegun()).toBe(before)
    expect((await postDecision(page)).status).toBe(303)
  })

  it('with the token of another page, or of another browser, is refused (A-33)', async () => {
    const [one, other] = [await open(), await open()]
    expect((await postDecision(one, { csrf: String(other.form.values.csrf) })).status).toBe(403)
    expect((await postDecision({ ...one, cookie: other.cookie })).status).toBe(403)
  })

  it('takes neither JSON nor a query (B104)', async () => {
    const page = await open()
    const headers = { cookie: page.cookie, 'sec-fetch-site': 'same-origin' }
    const fields = { ...page.form.values, decision: 'approve' }
    expect((await ask(page.form.action, { body: fields, headers })).status).toBe(400)
    expect((await ask(`${page.form.action}?${new URLSearchParams(fields)}`, { method: 'POST', headers })).status).toBe(
      400,
    )
    expect((await ask(`${page.form.action}?${new URLSearchParams(fields)}`, { headers })).status).toBe(405)
    expect((await postDecision(page)).status).toBe(303)
  })

  it('counts once (A-33, B106)', async () => {
    for (const [first, second] of [
      ['approve', 'approve'],
      ['approve', 'deny'],
      ['deny', 'approve'],
      ['deny', 'deny'],
    ]) {
      const page = await open()
      expect((await postDecision(page, { decision: first ?? '' })).status).toBe(303)
      const late = await postDecision(page, { decision: second ?? '' })
      expect([late.status, late.headers.location]).toEqual([400, undefined])
    }
  })

  it('that is neither yes nor no is none (A-33)', async () => {
    const page = await open()
    for (const decision of [null, '', 'APPROVE', 'yes', ['approve', 'deny']])
      expect((await postDecision(page, { decision })).status).toBe(400)
    expect((await postDecision(page)).status).toBe(303)
  })

  it('deny tells the client, without a word to the provider (A-16, A-40, B116)', async () => {
    const before = signInsBegun()
    const answer = await postDecision(await open(), { decision: 'deny' })
    expect(answer.status).toBe(303)
    const told = new URL(answer.headers.location ?? '')
    expect(told.href.startsWith(`${client.redirectUri}?`)).toBe(true)
    expect(Object.fromEntries(told.searchParams)).toMatchObject({
      error: 'access_denied',
      state: 'state-1',
      iss: rig.issuer,
    })
    expect(signInsBegun()).toBe(before)
  })

  it('uses what was asked for, whatever the form claims (B095)', async () => {
    const page = await open()
    const evil = { redirect_uri: 'https://evil.example/', client_id: 'static-public', scope: 'admin', state: 'x' }
    const denied = await postDecision(page, { ...evil, resource: rig.two, route: '/r2/mcp', decision: 'deny' })
    const told = new URL(denied.headers.location ?? '')
    expect([told.host, told.searchParams.get('state')]).toEqual(['127.0.0.1:9', 'state-1'])
  })
})

describe('the browser that approved', () => {
  it('gets its binding cookie with the approval, not before (A-36, B103)', async () => {
    const page = await open()
    const before = [...cookiesOf(page.answer).keys()]
    const approved = await postDecision(page)
    const bound = [...cookiesOf(approved).keys()]
    expect(bound).toHaveLength(1)
    expect(before).not.toContain(bound[0])
  })

  it('has to be the one that comes back: in another one the sign-in is burned (A-37, B101)', async () => {
    const approved = await postDecision(await open())
    const victim = browserFor(client)
    const landed = await victim.get(approved.headers.location ?? '')
    expect([landed.status, landed.stopped]).toEqual([403, false])
    const tokenRequests = rig.identityProvider.requests.filter(({ path }) => path === '/token').length
    const cookie = joinCookies('', approved)
    const late = await ask(landed.url, { headers: { cookie } })
    expect(late.status).toBe(400)
    expect(rig.identityProvider.requests.filter(({ path }) => path === '/token')).toHaveLength(tokenRequests)
  })

  it('can come back once (A-37, B121)', async () => {
    const browser = browserFor(client)
    const consent = await browser.get(authorizeUrl(rig.issuer, client, { resource: rig.one }))
    const end = await approve(browser, consent)
    const callback = end.visited.find(({ pathname }) => pathname === '/callback/corp')
    const again = await browser.get(callback ?? '')
    expect([again.status, again.stopped]).toEqual([400, false])
    expect(end.url.searchParams.get('code')).toMatch(/^mgh_ac_/)
  })

  it('can have several sign-ins under way (A-24)', async () => {
    const other = await register(rig.issuer)
    const browser = browserFor(client)
    const pages = [
      await browser.get(authorizeUrl(rig.issuer, client, { resource: rig.home, state: 'one' })),
      await browser.get(authorizeUrl(rig.issuer, other, { resource: rig.home, state: 'two' })),
      await browser.get(authorizeUrl(rig.issuer, client, { resource: rig.home, state: 'three' })),
    ]
    const forms = []
    for (const page of pages) forms.push(await browser.submit(page.form(), { decision: 'approve' }))
    for (const [index, form] of [...forms.entries()].toReversed()) {
      const end = await browser.submit(form.form(), PASSWORD_USER)
      expect(end.url.searchParams.get('state')).toBe(['one', 'two', 'three'][index])
      expect(end.url.searchParams.get('code')).toMatch(/^mgh_ac_/)
    }
  })

  it('gives up the oldest when very many are under way, and never a newer one (A-24)', async () => {
    const browser = browserFor(client)
    const url = authorizeUrl(rig.issuer, client, { resource: rig.home })
    const forms = []
    for (let count = 0; count < 14; count += 1)
      forms.push(await browser.submit((await browser.get(url)).form(), { decision: 'approve' }))
    const ends = []
    for (const form of forms) ends.push(await browser.submit(form.form(), PASSWORD_USER))
    expect(ends.map(({ stopped }) => stopped)).toEqual([false, false, ...Array(12).fill(true)])
    expect(ends.slice(0, 2).map(({ status }) => status)).toEqual([403, 403])
  })

  it('is told on a page when the user may not use the server, and nothing is kept (A-25, B188)', async () => {
    rig.identityProvider.setCurrentAccount('bob')
    const browser = browserFor(client)
    const page = await approve(browser, await browser.get(authorizeUrl(rig.issuer, client, { resource: rig.two })))
    expect([page.status, page.stopped]).toEqual([403, false])
    expect(page.body).toContain('error=access_denied')
    expect(page.body).not.toContain('mgh_ac_')
    rig.identityProvider.setCurrentAccount('alice')
    const allowed = await obtainCode(rig.issuer, client, { resource: rig.two })
    expect((await redeem(rig.issuer, allowed)).status).toBe(200)
  })

  it('learns of an outage of the provider, as does the client (A-17)', async () => {
    rig.identityProvider.setMode({ tokenEndpoint: 'unavailable' })
    const browser = browserFor(client)
    const end = await approve(browser, await browser.get(authorizeUrl(rig.issuer, client, { resource: rig.one })))
    rig.identityProvider.setMode({ tokenEndpoint: 'ok' })
    expect(end.url.searchParams.get('error')).toBe('temporarily_unavailable')
  })
})

describe('cookies', () => {
  it('of an https gateway belong to its host alone and are out of reach of scripts (A-35, B110)', async () => {
    const secure = await startRig({ publicUrl: 'https://gw.example', onlyOne: true })
    try {
      const host = { host: 'gw.example' }
      const made = await ask(`${secure.address}/register`, {
        body: { redirect_uris: [client.redirectUri] },
        headers: host,
      })
      const id = String(made.json().client_id)
      const url = authorizeUrl(secure.address, { clientId: id, redirectUri: client.redirectUri })
      const answer = await ask(url, { headers: host })
      const lines = answer.headers['set-cookie'] ?? []
      expect(lines).toHaveLength(1)
      for (const line of lines) {
        expect(line).toMatch(/^__Host-/)
        for (const attribute of ['Path=/', 'HttpOnly', 'Secure', 'SameSite=Lax']) expect(line).toContain(attribute)
        expect(line).not.toMatch(/domain/i)
      }
      expect(answer.headers['strict-transport-security']).toMatch(/^max-age=\d+/)
    } finally {
      await secure.close()
    }
  })

  it('of a loopback gateway do without the prefix that browsers refuse there (A-35)', async () => {
    for (const line of (await open()).answer.headers['set-cookie'] ?? []) {
      for (const attribute of ['Path=/', 'HttpOnly', 'SameSite=Lax']) expect(line).toContain(attribute)
      expect(line).not.toMatch(/domain/i)
    }
  })
})
