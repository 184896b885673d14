import { expect, it } from 'vitest'
import { cookiesOf, joinCookies, openConsent, postDecision } from '../fixtures/consent-steps.ts'
import { ask } from '../fixtures/http-exchange.ts'
import { approve, authorizeUrl, browserFor, obtainCode, redeem, register } from '../fixtures/oauth-requests.ts'
import { underAttack } from './oracles.ts'

const gateway = underAttack()

async function open(changes = {}) {
  const client = await register(gateway.rig.issuer)
  return openConsent(gateway.rig.issuer, client, { resource: gateway.rig.one, ...changes })
}

function providerSaw(path: string): number {
  return gateway.rig.identityProvider.requests.filter((request) => request.path === path).length
}

it('B100 a client that somebody slipped in gets no further than our page, however well the user is signed in', async () => {
  const honest = await register(gateway.rig.issuer)
  const { browser } = await obtainCode(gateway.rig.issuer, honest, { resource: gateway.rig.one })
  const evil = await register(gateway.rig.issuer, { redirect_uris: ['https://evil.example/cb'] })
  const before = providerSaw('/auth')
  const page = await browser.get(authorizeUrl(gateway.rig.issuer, evil, { resource: gateway.rig.one }))
  expect(page.form().names).toContain('decision')
  expect(page.body).toContain('evil.example')
  expect(providerSaw('/auth')).toBe(before)
})

it('B101 a link to the provider that somebody else approved gives no code, and the sign-in is burned', async () => {
  const client = await register(gateway.rig.issuer)
  const page = await openConsent(gateway.rig.issuer, client, { resource: gateway.rig.one })
  const approved = await postDecision(page)
  const victim = await browserFor(client).get(approved.headers.location ?? '')
  expect([victim.status, victim.stopped]).toEqual([403, false])
  expect(victim.body).not.toContain('mgh_ac_')
  const redeemed = providerSaw('/token')
  const attacker = await ask(victim.url, { headers: { cookie: joinCookies('', approved) } })
  expect(attacker.status).toBe(400)
  expect(providerSaw('/token')).toBe(redeemed)
})

it('B103 no cookie before the approval satisfies the callback', async () => {
  const page = await open()
  const approved = await postDecision(page)
  const landed = await browserFor({ clientId: '', redirectUri: `${gateway.rig.issuer}/callback/` }).get(
    approved.headers.location ?? '',
  )
  expect(landed.stopped).toBe(true)
  const early = await ask(landed.url, { headers: { cookie: page.cookie } })
  expect(early.status).toBe(403)
  expect(early.headers.location).toBeUndefined()
})

it.each<[string, Record<string, string | null>, Record<string, string | null>]>([
  ['no token', { csrf: null }, {}],
  ['a wrong token', { csrf: 'A'.repeat(43) }, {}],
  ['an endless token', { csrf: 'A'.repeat(5000) }, {}],
  ['no cookie', {}, { cookie: null }],
  ['Origin: evil', {}, { origin: 'https://evil.example' }],
  ['Origin: null from another site', {}, { origin: 'null', 'sec-fetch-site': 'cross-site' }],
  ['Origin: null from an old browser', {}, { origin: 'null', 'sec-fetch-site': null }],
  ['Sec-Fetch-Site: cross-site', {}, { 'sec-fetch-site': 'cross-site' }],
  ['a text/plain form', {}, { 'content-type': 'text/plain' }],
  ['JSON', {}, { 'content-type': 'application/json' }],
])('B104 a post with %s decides nothing', async (_, fields, headers) => {
  const page = await open()
  const before = providerSaw('/auth')
  const refused = await postDecision(page, fields, headers)
  expect([400, 403]).toContain(refused.status)
  expect(cookiesOf(refused).size).toBe(0)
  expect(providerSaw('/auth')).toBe(before)
  expect((await postDecision(page)).status).toBe(303)
})

it('B106 of many decisions at once one counts', async () => {
  const page = await open()
  const decisions = ['approve', 'deny', 'approve', 'deny', 'approve', 'approve']
  const answers = await Promise.all(decisions.map((decision) => postDecision(page, { decision })))
  expect(answers.map(({ status }) => status).toSorted()).toEqual([303, 400, 400, 400, 400, 400])
})

it('B107 every page forbids frames, sniffing, referrers and storing', async () => {
  const client = await register(gateway.rig.issuer)
  const { issuer } = gateway.rig
  const form = await openConsent(issuer, client, { resource: gateway.rig.home })
  const signIn = await ask((await postDecision(form)).headers.location ?? '')
  const pages = [
    form.answer,
    signIn,
    await ask(authorizeUrl(issuer, { ...client, clientId: 'nobody' })),
    await ask(authorizeUrl(issuer, client, { response_type: 'token' })),
    await ask(`${issuer}/callback/corp`),
    await ask(`${issuer}/callback/nowhere?state=x`),
    await ask(`${issuer}/consent`, { method: 'POST' }),
  ]
  for (const page of pages) {
    expect(page.headers['content-type']).toMatch(/^text\/html/)
    expect(page.headers['content-security-policy']).toContain("frame-ancestors 'none'")
    expect(page.headers).toMatchObject({
      'x-frame-options': 'DENY',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
      'cache-control': 'no-store',
    })
  }
})

it('B109 cookies that somebody planted before are worth nothing after', async () => {
  const planted = `gatehouse-form=${'A'.repeat(43)}`
  const client = await register(gateway.rig.issuer)
  const page = await openConsent(gateway.rig.issuer, client, { resource: gateway.rig.one }, planted)
  const approved = await postDecision(page)
  const [name = ''] = [...cookiesOf(approved).keys()]
  const callback = `${gateway.rig.issuer}/callback/corp?code=x&state=${new URL(approved.headers.location ?? '').searchParams.get('state')}`
  for (const cookie of [planted, `${name}=${'A'.repeat(43)}`])
    expect([400, 403]).toContain((await ask(callback, { headers: { cookie } })).status)
})

it('B110 a cookie that comes twice counts for nothing', async () => {
  const page = await open()
  const twice = `${page.cookie}; ${page.cookie}`
  expect((await postDecision(page, {}, { cookie: twice })).status).toBe(403)
  expect((await postDecision(page, {}, { cookie: `gatehouse-form=x; ${page.cookie}` })).status).toBe(403)
  expect((await postDecision(page)).status).toBe(303)
})

it.each<Record<string, string>>([{ 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'none' }, {}])(
  'B112 B113 another authorization is asked for again, with %o',
  async (headers) => {
    const client = await register(gateway.rig.issuer)
    const { browser } = await obtainCode(gateway.rig.issuer, client, { resource: gateway.rig.one })
    const cookie = [...browser.cookies(gateway.rig.issuer)].map((pair) => pair.join('=')).join('; ')
    const url = authorizeUrl(gateway.rig.issuer, client, { resource: gateway.rig.one })
    const answer = await ask(url, { headers: { ...headers, ...(cookie === '' ? {} : { cookie }) } })
    expect([answer.status, answer.headers.location]).toEqual([200, undefined])
    expect(answer.body).toContain('name="decision"')
  },
)

it.each(['state', 'scope', 'resource', 'login_hint', 'client_id', 'redirect_uri', 'error', 'error_description'])(
  'B115 markup in %s is inert wherever it is shown',
  async (name) => {
    const client = await register(gateway.rig.issuer)
    const polyglot = `"'><script>alert(1)</script><img src=x onerror=alert(1)>jaVasCript:alert(1)`
    const { body } = await ask(authorizeUrl(gateway.rig.issuer, client, { [name]: polyglot }))
    expect(body).not.toMatch(/<script|<img|onerror=alert\(1\)>/i)
  },
)

it('B116 saying no is final, is not remembered, and asks nothing of the provider', async () => {
  const page = await open()
  const before = providerSaw('/auth')
  const denied = await postDecision(page, { decision: 'deny' })
  expect(new URL(denied.headers.location ?? '').searchParams.get('error')).toBe('access_denied')
  expect((await postDecision(page)).status).toBe(400)
  expect(providerSaw('/auth')).toBe(before)
})

it('B119 whoever fetches every URL of a flow ahead of the user changes nothing', async () => {
  const client = await register(gateway.rig.issuer)
  const browser = browserFor(client)
  const url = authorizeUrl(gateway.rig.issuer, client, { resource: gateway.rig.one })
  const consent = await browser.get(url)
  for (const purpose of ['prefetch', 'prefetch;prerender']) {
    expect((await ask(url, { headers: { 'sec-purpose': purpose } })).status).toBe(403)
    expect((await ask(`${gateway.rig.issuer}/consent`, { headers: { 'sec-purpose': purpose } })).status).toBe(405)
  }
  const end = await approve(browser, consent)
  expect(end.stopped).toBe(true)
})

it('B121 the callback works once: again, it ends on a page and leaves the grant alone', async () => {
  const client = await register(gateway.rig.issuer)
  const browser = browserFor(client)
  const consent = await browser.get(authorizeUrl(gateway.rig.issuer, client, { resource: gateway.rig.one }))
  const page = await browser.submit(consent.form(), { decision: 'approve' })
  const callback = page.visited.find(({ pathname }) => pathname.startsWith('/callback/'))
  const before = providerSaw('/token')
  const again = await browser.get(callback ?? '')
  expect([again.status, again.stopped]).toEqual([400, false])
  expect(providerSaw('/token')).toBe(before)
  expect(page.url.searchParams.get('code')).toMatch(/^mgh_ac_/)
})

it('B122 a provider’s code from another sign-in is not good in this one', async () => {
  const client = await register(gateway.rig.issuer)
  const land = { clientId: '', redirectUri: `${gateway.rig.issuer}/callback/` }
  const start = async () => {
    const approved = await postDecision(await openConsent(gateway.rig.issuer, client, { resource: gateway.rig.one }))
    const landed = await browserFor(land).get(approved.headers.location ?? '')
    return { query: landed.url.searchParams, cookie: joinCookies('', approved) }
  }
  const [attacker, victim] = [await start(), await start()]
  const mixed = new URLSearchParams(
    [...victim.query].map(([name, value]): [string, string] => [
      name,
      name === 'code' ? String(attacker.query.get('code')) : value,
    ]),
  )
  const answer = await ask(`${gateway.rig.issuer}/callback/corp?${mixed}`, { headers: { cookie: victim.cookie } })
  expect(answer.headers.location ?? '').not.toContain('mgh_ac_')
  expect(answer.body).not.toContain('mgh_ac_')
  const honest = await obtainCode(gateway.rig.issuer, client, { resource: gateway.rig.one })
  expect((await redeem(gateway.rig.issuer, honest)).status).toBe(200)
})

it('B125 an answer of one provider does not fit the sign-in of another', async () => {
  const page = await open()
  const approved = await postDecision(page)
  const state = new URL(approved.headers.location ?? '').searchParams.get('state')
  const headers = { cookie: joinCookies(page.cookie, approved) }
  const wrong = await ask(`${gateway.rig.issuer}/callback/home?code=x&state=${state}`, { headers })
  expect([wrong.status, wrong.headers.location]).toEqual([400, undefined])
})
