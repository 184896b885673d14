import { expect, it } from 'vitest'
import { PASSWORD_USER } from '../conformance/rig.ts'
import { joinCookies, openConsent, postDecision, SAME_ORIGIN } from '../fixtures/consent-steps.ts'
import { readForms } from '../fixtures/html-form.ts'
import { ask } from '../fixtures/http-exchange.ts'
import { REDIRECT_URI, register } from '../fixtures/oauth-requests.ts'
import { underAttack } from './oracles.ts'

const gateway = underAttack()
const NAMES = ['return_to', 'next', 'rd', 'redirect', 'redirect_url', 'continue', 'url']

it.each([
  '//evil.example/x',
  '/\\evil.example',
  '/%09/evil.example',
  'https:evil.example',
  '/..//evil.example',
  'javascript:alert(1)',
  '/x\r\nLocation: https://evil.example',
])(
  'B133 %j in any parameter and field of a sign-in leads nowhere: it ends where the client registered',
  async (evil) => {
    const { rig } = gateway
    const more = Object.fromEntries(NAMES.map((name) => [name, evil]))
    const client = await register(rig.issuer)
    const open = await openConsent(rig.issuer, client, { resource: rig.home, ...more })
    expect(open.answer.body).not.toContain('evil')
    const approved = await postDecision(open, more)
    const callback = new URL(approved.headers.location ?? '')
    expect(callback.href).toMatch(new RegExp(`^${rig.issuer}/callback/home\\?`))
    for (const name of NAMES) callback.searchParams.set(name, evil)
    const cookie = joinCookies(open.cookie, approved)
    const page = await ask(callback, { headers: { cookie } })
    expect([page.status, page.body.includes('evil.example')]).toEqual([200, false])
    const [form] = readForms(page.body, callback, rig.issuer)
    const body = new URLSearchParams({ ...form?.values, ...PASSWORD_USER, ...more })
    const answer = await ask(form?.action ?? '', {
      body,
      headers: { ...SAME_ORIGIN, cookie: joinCookies(cookie, page) },
    })
    expect(answer.status).toBe(303)
    expect(answer.headers.location?.startsWith(`${REDIRECT_URI}?code=`)).toBe(true)
    expect(answer.headers.location).not.toContain('evil')
  },
)

it('B280 nothing that comes without a token and without an approval makes the gateway ask anybody', async () => {
  const { rig } = gateway
  const client = await register(rig.issuer)
  const before = rig.identityProvider.requests.length
  const form = (fields: Record<string, string>) =>
    new URLSearchParams({ client_id: client.clientId, token: 'x', code: 'x', refresh_token: 'x', ...fields })
  await openConsent(rig.issuer, client, { resource: rig.one })
  for (const path of [
    '/callback/corp?state=x&code=y',
    '/callback/corp?error=x',
    '/callback/other',
    '/connect',
    '/authorize',
  ])
    expect((await ask(`${rig.issuer}${path}`)).status).toBeGreaterThanOrEqual(400)
  for (const grant of ['authorization_code', 'refresh_token', 'client_credentials'])
    expect((await ask(`${rig.issuer}/token`, { body: form({ grant_type: grant }) })).status).toBeGreaterThanOrEqual(400)
  for (const path of ['/revoke', '/introspect', '/consent', '/connect'])
    await ask(`${rig.issuer}${path}`, { body: form({}) })
  for (const authorization of ['', 'Bearer x', `Bearer mgh_at_${'A'.repeat(43)}`])
    expect((await ask(rig.one, { body: '{}', headers: { authorization } })).status).toBe(401)
  expect(rig.identityProvider.requests).toHaveLength(before)
  expect(rig.forwarded).toEqual([])
  // The positive twin: an approval does.
  const open = await openConsent(rig.issuer, client, { resource: rig.one })
  expect((await postDecision(open)).headers.location).toContain(`${rig.identityProvider.issuer}/auth?`)
  expect(rig.identityProvider.requests.length).toBeGreaterThan(before)
})
