import { expect, it } from 'vitest'
import { PASSWORD_USER, SHARED_CREDENTIAL, STATIC_SECRET } from '../conformance/rig.ts'
import { openConsent, postDecision } from '../fixtures/consent-steps.ts'
import { ask, observe } from '../fixtures/http-exchange.ts'
import {
  authorizeUrl,
  callRoute,
  obtainCode,
  obtainTokens,
  redeem,
  refresh,
  register,
  revoke,
  tokensOf,
} from '../fixtures/oauth-requests.ts'
import { underAttack } from './oracles.ts'

const gateway = underAttack()
const STATE = 'client-state-CANARY-77aa'

/** Every slice of 12 characters of `secret` in the forms in which it could slip out. */
function slices(secret: string): string[] {
  const forms = [
    secret,
    encodeURIComponent(secret),
    Buffer.from(secret).toString('base64'),
    Buffer.from(secret).toString('hex'),
  ]
  return [
    ...new Set(
      forms.flatMap((form) =>
        Array.from({ length: Math.max(1, form.length - 11) }, (_, at) => form.slice(at, at + 12)),
      ),
    ),
  ]
}

function expectAbsent(secrets: readonly string[], from: string, where: string): void {
  for (const secret of secrets)
    for (const slice of slices(secret)) if (from.includes(slice)) throw new Error(`${slice} of a secret is in ${where}`)
}

it('B263 the log at level trace and the metrics hold nothing of any secret, after everything that can go right and wrong', async () => {
  const { rig } = gateway
  const errors: string[] = []
  const stop = observe(({ text }) => {
    if (/^HTTP\/1\.1 [45]/.test(text)) errors.push(text)
  })
  const client = await register(rig.issuer, { token_endpoint_auth_method: 'client_secret_post' })
  const issued = await obtainCode(rig.issuer, client, { resource: rig.one, state: STATE })
  const callbacks = rig.identityProvider.requests.flatMap(({ form }) => [
    form.get('code') ?? '',
    form.get('code_verifier') ?? '',
  ])
  await redeem(rig.issuer, issued, { code_verifier: 'a'.repeat(43) })
  const first = tokensOf(client, await redeem(rig.issuer, issued))
  const second = tokensOf(client, await refresh(rig.issuer, client, first.refreshToken))
  await callRoute(rig.one, second.accessToken)
  await callRoute(rig.two, second.accessToken)
  await ask(`${rig.one}?access_token=${second.accessToken}`)
  await ask(`${rig.issuer}/token?refresh_token=${second.refreshToken}`, { method: 'POST' })
  await refresh(rig.issuer, client, `${second.refreshToken}x`)
  await refresh(rig.issuer, client, second.refreshToken, { client_secret: `${client.clientSecret}x` })
  await obtainTokens(rig.issuer, await register(rig.issuer), { resource: rig.home }, PASSWORD_USER)
  const page = await openConsent(rig.issuer, client, { resource: rig.home, state: STATE })
  const cookies = page.cookie.split('=')[1] ?? ''
  await postDecision(page, { csrf: 'A'.repeat(43) })
  await ask(`${rig.issuer}/callback/corp?code=${issued.code}&state=${STATE}&error_description=${STATE}`)
  await ask(`${rig.issuer}/register`, { body: { redirect_uris: ['javascript:CANARY-12345678'], client_name: STATE } })
  await redeem(rig.issuer, issued)
  await revoke(rig.issuer, client, first.refreshToken)
  stop()

  const secrets = [
    ...[
      issued.code,
      issued.verifier,
      first.accessToken,
      first.refreshToken,
      second.accessToken,
      second.refreshToken,
    ].map((token) => token.replace(/^mgh_.._/, '')),
    ...[client.clientSecret ?? '', STATIC_SECRET, SHARED_CREDENTIAL, PASSWORD_USER.password, STATE, cookies],
    ...[rig.identityProvider.clientSecret, String(page.form.values.csrf), ...callbacks],
  ].filter((secret) => secret.length >= 12)
  expect(secrets.length).toBeGreaterThan(13)
  // Grant ids are no secrets, and the first bytes of a refresh token are its grant's id.
  const log = rig.log().replaceAll(/"grantId":"[^"]*"/g, '')
  expect(() => expectAbsent(['token request refused'], log, 'the log'), 'the scan finds what is there').toThrow()
  expectAbsent(secrets, log, 'the log')
  expect(log).not.toContain('CANARY')
  expectAbsent(secrets, (await ask(`${rig.operations}/metrics`)).body, 'the metrics')
  expect(errors.length).toBeGreaterThan(5)
  expectAbsent(
    secrets.filter((secret) => secret !== STATE),
    errors.map((text) => text.replaceAll(/^set-cookie:.*$/gim, '')).join('\n'),
    'an error answer',
  )
})

it('B266 labels of the metrics come from the configuration alone', async () => {
  const { rig } = gateway
  await callRoute(`${rig.issuer}/PLANTED-path`, 'x')
  await ask(`${rig.issuer}/token`, { body: new URLSearchParams({ grant_type: 'PLANTED', client_id: 'static-public' }) })
  await ask(`${rig.issuer}/callback/PLANTED?state=x`)
  await ask(`${rig.issuer}/register`, { body: { redirect_uris: ['http://127.0.0.1/'], client_name: 'PLANTED' } })
  expect((await ask(`${rig.operations}/metrics`)).body).not.toMatch(/PLANTED|client-|alice|carol/)
})

it('B268 no page asks anybody else for anything, or tells them where it was', async () => {
  const { rig } = gateway
  const client = await register(rig.issuer, { client_uri: 'https://client.example/' })
  const consent = await openConsent(rig.issuer, client, { resource: rig.home })
  const signIn = await ask((await postDecision(consent)).headers.location ?? '')
  const pages = [consent.answer, signIn, await ask(authorizeUrl(rig.issuer, client, { response_type: 'x' }))]
  for (const { body, headers } of pages) {
    expect(headers['referrer-policy']).toBe('no-referrer')
    expect(body).not.toMatch(/<(?:script|img|iframe|link|object|embed|video|audio)\b|\bsrc=|url\(|@import/i)
  }
})

it('B269 every answer says whether it may be kept', async () => {
  const { rig } = gateway
  const answers = [
    await ask(rig.one),
    await ask(`${rig.issuer}/token`, { method: 'POST' }),
    await ask(`${rig.issuer}/token`),
    await ask(`${rig.issuer}/register`, { body: {} }),
    await ask(`${rig.issuer}/nothing`),
    await ask(`${rig.issuer}/authorize`),
    await ask(`${rig.issuer}/revoke`, { method: 'POST' }),
    await ask(`${rig.issuer}/callback/corp`),
    await ask(`${rig.issuer}/consent`, { method: 'POST' }),
    await ask(rig.one, { headers: { origin: 'https://evil.example' } }),
  ]
  for (const answer of answers) expect(answer.headers['cache-control']).toBe('no-store')
  expect((await ask(`${rig.issuer}/.well-known/oauth-authorization-server`)).headers['cache-control']).toMatch(
    /^public/,
  )
})
