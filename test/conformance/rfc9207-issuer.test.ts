import { beforeAll, expect, it } from 'vitest'
import { ask } from '../fixtures/http-exchange.ts'
import { authorizeUrl, browserFor, type KnownClient, obtainCode, register } from '../fixtures/oauth-requests.ts'
import { type Rig, STATIC_REDIRECT, startRig } from './rig.ts'

const STATIC: KnownClient = { clientId: 'static-public', redirectUri: STATIC_REDIRECT }

let rig: Rig
let client: KnownClient
beforeAll(async () => {
  rig = await startRig()
  client = await register(rig.issuer)
  return () => rig.close()
})

it('iss comes with every code, exactly as the metadata has the issuer (RFC 9207 §2, A-08, A-09)', async () => {
  const { issuer } = (await ask(`${rig.issuer}/.well-known/oauth-authorization-server`)).json()
  const issued = await obtainCode(rig.issuer, client, { resource: rig.one })
  expect(issued.answer.getAll('iss')).toEqual([issuer])
})

it('iss comes with errors before the consent, after a denial and after a failed sign-in (RFC 9207 §2, A-08)', async () => {
  const early = await ask(authorizeUrl(rig.issuer, STATIC, { response_type: 'token' }))
  expect(new URL(early.headers.location ?? '').searchParams.getAll('iss')).toEqual([rig.issuer])

  const browser = browserFor(client)
  const denied = await browser.submit((await browser.get(authorizeUrl(rig.issuer, client))).form(), {
    decision: 'deny',
  })
  expect(denied.url.searchParams.getAll('iss')).toEqual([rig.issuer])

  rig.identityProvider.setMode({ signIn: 'deny' })
  const consent = await browser.get(authorizeUrl(rig.issuer, client, { resource: rig.one }))
  const failed = await browser.submit(consent.form(), { decision: 'approve' })
  rig.identityProvider.setMode({ signIn: 'approve' })
  expect(failed.url.searchParams.getAll('iss')).toEqual([rig.issuer])
  expect(failed.url.searchParams.get('error')).toBe('access_denied')
})

it('nothing of the provider’s answer reaches the client but our own words (A-09, A-17, B124)', async () => {
  rig.identityProvider.setMode({ signIn: 'deny' })
  const browser = browserFor(client)
  const consent = await browser.get(authorizeUrl(rig.issuer, client, { resource: rig.one }))
  const { url } = await browser.submit(consent.form(), { decision: 'approve' })
  rig.identityProvider.setMode({ signIn: 'approve' })
  expect([...url.searchParams.keys()].toSorted()).toEqual(['error', 'error_description', 'iss', 'state'])
  expect(url.searchParams.get('error_description')).not.toMatch(/script|no"/)
})
