import { beforeAll, describe, expect, it } from 'vitest'
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
} from '../fixtures/oauth-requests.ts'
import { PASSWORD_USER, type Rig, STATIC_REDIRECT, startRig } from './rig.ts'

const STATIC: KnownClient = { clientId: 'static-public', redirectUri: STATIC_REDIRECT }

let rig: Rig
let single: Rig
let client: KnownClient
beforeAll(async () => {
  ;[rig, single] = [await startRig(), await startRig({ onlyOne: true })]
  client = await register(rig.issuer)
  return () => Promise.all([rig.close(), single.close()])
})

describe('at the authorization endpoint (RFC 8707 §2)', () => {
  it.each<[string, (url: string) => string | string[]]>([
    ['the resource itself', (url) => url],
    ['with a final slash', (url) => `${url}/`],
    ['with host and scheme in upper case', (url) => url.replace('http://', 'HTTP://')],
    ['twice', (url) => [url, url]],
    ['in two spellings', (url) => [url, `${url}/`]],
    ['once empty', (url) => ['', url]],
  ])('%s means the route (A-10, A-11, C14)', async (_, spell) => {
    const tokens = await obtainTokens(rig.issuer, client, { resource: spell(rig.one) })
    expect((await callRoute(rig.one, tokens.accessToken)).status).toBe(200)
    expect((await callRoute(rig.two, tokens.accessToken)).status).toBe(401)
  })

  it.each<[string, (rig: Rig) => string | string[]]>([
    ['another host', () => 'https://evil.example/r1/mcp'],
    ['a longer path', ({ one }) => `${one}2`],
    ['a shorter path', ({ issuer }) => `${issuer}/r1`],
    ['another case of the path', ({ issuer }) => `${issuer}/R1/mcp`],
    ['the origin of several routes', ({ issuer }) => issuer],
    ['the origin with a slash', ({ issuer }) => `${issuer}/`],
    ['a fragment', ({ one }) => `${one}#x`],
    ['a query', ({ one }) => `${one}?x=1`],
    ['a relative reference', () => '/r1/mcp'],
    ['two routes', ({ one, two }) => [one, two]],
    ['a route and a stranger', ({ one }) => [one, 'https://evil.example/']],
  ])('%s: invalid_target (A-10, A-11, B181, B185, X-07)', async (_, spell) => {
    const answer = await ask(authorizeUrl(rig.issuer, STATIC, { resource: spell(rig) }))
    const told = new URL(answer.headers.location ?? '').searchParams
    expect([told.get('error'), told.get('state'), told.get('iss')]).toEqual(['invalid_target', 'state-1', rig.issuer])
  })

  it('without it, the user of several routes chooses one, and the token is good for that one alone (A-12, B184)', async () => {
    const browser = browserFor(client)
    const consent = await browser.get(authorizeUrl(rig.issuer, client))
    expect(consent.form().choices('route')).toEqual(['/r1/mcp', '/r2/mcp', '/home'])
    const unchosen = await browser.submit(consent.form(), { decision: 'approve' })
    if (consent.form().values.route === undefined) expect(unchosen.status).toBe(400)
    const tokens = await obtainTokens(rig.issuer, client, {}, { route: '/home', ...PASSWORD_USER })
    expect((await callRoute(rig.home, tokens.accessToken)).status).toBe(200)
    for (const other of [rig.one, rig.two]) expect((await callRoute(other, tokens.accessToken)).status).toBe(401)
  })

  it('lets nobody choose a route that was not offered (A-12, B095)', async () => {
    const browser = browserFor(client)
    for (const route of ['/nowhere', '', '/r1', '__proto__']) {
      const consent = await browser.get(authorizeUrl(rig.issuer, client))
      const page = await browser.submit(consent.form(), { decision: 'approve', route })
      expect([page.status, page.stopped]).toEqual([400, false])
    }
  })

  it('of a single route may be missing or be the origin (A-12, B185)', async () => {
    const one = await register(single.issuer)
    for (const resource of [null, single.issuer, `${single.issuer}/`]) {
      const tokens = await obtainTokens(single.issuer, one, { resource })
      expect((await callRoute(single.one, tokens.accessToken)).status).toBe(200)
    }
  })
})

describe('at the token endpoint (RFC 8707 §2.2)', () => {
  it('may be missing, or be that of the grant in any spelling (T-09)', async () => {
    for (const resource of [null, rig.one, `${rig.one}/`, [rig.one, rig.one]]) {
      const issued = await obtainCode(rig.issuer, client, { resource: rig.one })
      expect((await redeem(rig.issuer, issued, { resource })).status).toBe(200)
    }
  })

  it('of another route is invalid_target, and costs neither code nor refresh token (T-09, B148, B161, B182)', async () => {
    const issued = await obtainCode(rig.issuer, client, { resource: rig.one })
    const wrong = [rig.two, 'https://evil.example/', [rig.one, rig.two], rig.issuer, 'x']
    for (const resource of wrong) {
      const refused = await redeem(rig.issuer, issued, { resource })
      expect([refused.status, refused.json().error]).toEqual([400, 'invalid_target'])
    }
    const answer = await redeem(rig.issuer, issued)
    expect(answer.status).toBe(200)
    const token = String(answer.json().refresh_token)
    for (const resource of wrong) {
      const refused = await refresh(rig.issuer, client, token, { resource })
      expect([refused.status, refused.json().error]).toEqual([400, 'invalid_target'])
    }
    expect((await refresh(rig.issuer, client, token, { resource: rig.one })).status).toBe(200)
  })
})
