import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Answer, ask } from '../fixtures/http-exchange.ts'
import {
  approve,
  authorizeUrl,
  browserFor,
  callRoute,
  type KnownClient,
  obtainCode,
  obtainTokens,
  redeem,
  refresh,
  register,
  revoke,
  tokensOf,
} from '../fixtures/oauth-requests.ts'
import { PASSWORD_USER, type Rig, STATIC_REDIRECT, STATIC_SECRET, startRig } from './rig.ts'

type AuditLine = Readonly<Record<string, unknown>>

const directory = mkdtempSync(join(tmpdir(), 'gatehouse-audit-'))
const file = join(directory, 'trail', 'audit.jsonl')
/** Everything that may never be in the trail. */
const secrets: string[] = [STATIC_SECRET, PASSWORD_USER.password]
let lines: AuditLine[]
let client: KnownClient
let rig: Rig
/** x-request-id of the answers that are looked up later. */
const requestIds: Record<string, unknown> = {}

beforeAll(async () => {
  rig = await startRig({ yaml: { audit: { destination: `file:${file}` }, trusted_proxies: ['127.0.0.1'] } })
  await live()
  await rig.close()
  lines = readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
})
afterAll(() => rmSync(directory, { recursive: true }))

/** A day in the life of a gateway: each fact happens once or more. */
async function live(): Promise<void> {
  const { issuer, one, two, home } = rig
  const registered = await ask(`${issuer}/register`, {
    headers: { 'x-forwarded-for': '192.0.2.7' },
    body: {
      client_name: 'Audited \u202eapp\n[INFO] fake',
      redirect_uris: ['http://127.0.0.1:9/callback'],
      token_endpoint_auth_method: 'client_secret_post',
    },
  })
  const { client_id, client_secret, registration_client_uri, registration_access_token } = registered.json()
  client = {
    clientId: String(client_id),
    clientSecret: String(client_secret),
    redirectUri: 'http://127.0.0.1:9/callback',
  }
  secrets.push(String(client_secret), String(registration_access_token))
  const owner = { authorization: `Bearer ${registration_access_token}` }

  const denying = browserFor(client)
  await denying.submit((await denying.get(authorizeUrl(issuer, client, { resource: one }))).form(), {
    decision: 'deny',
  })

  const code = await obtainCode(issuer, client, { resource: one, state: 'state-CANARY-77' })
  const tokens = tokensOf(client, note('issued', await redeem(issuer, code)))
  const next = tokensOf(client, await refresh(issuer, client, tokens.refreshToken))
  await refresh(issuer, client, tokens.refreshToken)
  await callRoute(two, next.accessToken)
  await redeem(issuer, code)

  const family = await obtainTokens(issuer, client, { resource: one })
  const second = tokensOf(client, await refresh(issuer, client, family.refreshToken))
  const third = tokensOf(client, await refresh(issuer, client, second.refreshToken))
  await refresh(issuer, client, family.refreshToken)

  const given = await obtainTokens(issuer, client, { resource: one })
  await revoke(issuer, client, given.accessToken)
  await revoke(issuer, client, given.refreshToken)

  rig.identityProvider.setCurrentAccount('bob')
  const bob = browserFor(client)
  await approve(bob, await bob.get(authorizeUrl(issuer, client, { resource: two })))
  rig.identityProvider.setCurrentAccount('alice')
  rig.identityProvider.setMode({ signIn: 'deny' })
  const refused = browserFor(client)
  await approve(refused, await refused.get(authorizeUrl(issuer, client, { resource: one })))
  rig.identityProvider.setMode({ signIn: 'approve' })

  const guessing = browserFor(client)
  const consent = await guessing.get(authorizeUrl(issuer, client, { resource: home }))
  let page = await guessing.submit(consent.form(), { decision: 'approve' })
  const stolen = await browserFor(client).get(page.url)
  expect(stolen.status).toBe(403)
  const again = await guessing.get(authorizeUrl(issuer, client, { resource: home }))
  page = await guessing.submit(again.form(), { decision: 'approve' })
  for (let attempt = 0; attempt < 5; attempt += 1)
    page = await guessing.submit(page.form(), { username: PASSWORD_USER.username, password: 'wrong-CANARY-guess' })
  secrets.push('wrong-CANARY-guess')

  const declared = { clientId: 'static-public', redirectUri: STATIC_REDIRECT }
  const declaredTokens = await obtainTokens(issuer, declared, { resource: home }, PASSWORD_USER)

  const update = { client_id, redirect_uris: [client.redirectUri], token_endpoint_auth_method: 'client_secret_post' }
  await ask(String(registration_client_uri), { method: 'PUT', headers: owner, body: update })
  await ask(String(registration_client_uri), { method: 'DELETE', headers: owner })

  secrets.push(code.code, code.verifier, 'state-CANARY-77')
  for (const one of [tokens, next, family, second, third, given, declaredTokens])
    secrets.push(one.accessToken, one.refreshToken)
}

function note(name: string, answer: Answer): Answer {
  requestIds[name] = answer.headers['x-request-id']
  return answer
}

function events(name: string): AuditLine[] {
  return lines.filter(({ event }) => event === name)
}

const ALICE = { provider: 'corp', subject: 'alice', email: 'alice@example.com' }

describe('the trail', () => {
  it('has one line for each fact, in order, and no other (X-16)', () => {
    expect(lines.map(({ event }) => event)).toEqual([
      'client_registered',
      'consent_denied',
      ...['consent_given', 'signed_in', 'token_issued', 'token_refreshed', 'token_retried'],
      ...['audience_refused', 'code_replayed'],
      ...['consent_given', 'signed_in', 'token_issued', 'token_refreshed', 'token_refreshed', 'refresh_token_reused'],
      ...['consent_given', 'signed_in', 'token_issued', 'token_revoked', 'grant_revoked'],
      ...['consent_given', 'access_denied'],
      ...['consent_given', 'sign_in_failed'],
      ...['consent_given', 'sign_in_failed'],
      ...['consent_given', 'sign_in_failed'],
      ...['consent_given', 'signed_in', 'token_issued'],
      ...['client_updated', 'client_deleted'],
    ])
  })

  it('says of every fact when, from where, in which request, and how it ended (X-16)', () => {
    for (const line of lines) {
      expect(line.time, String(line.event)).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
      expect(['success', 'refused']).toContain(line.outcome)
    }
    // A refusal on a route is about a grant, which has its own line with both.
    for (const line of lines) {
      expect(line.requestId, String(line.event)).toMatch(/^[0-9a-f-]{36}$/)
      expect(line.address).toMatch(/^(127\.0\.0\.1|192\.0\.2\.7)$/)
    }
    expect(new Set(lines.filter(({ outcome }) => outcome === 'refused').map(({ event }) => event))).toEqual(
      new Set([
        ...['consent_denied', 'audience_refused', 'code_replayed', 'refresh_token_reused'],
        ...['access_denied', 'sign_in_failed'],
      ]),
    )
  })

  it('knows the address behind a trusted proxy, and the id that the answer carried (X-16)', () => {
    expect(events('client_registered')[0]?.address).toBe('192.0.2.7')
    expect(events('token_issued')[0]?.requestId).toBe(requestIds.issued)
  })

  it('names the user by subject and verified address, the client and how it is known, the route and the grant (X-16)', () => {
    const issued = events('token_issued')[0]
    expect(issued).toMatchObject({
      user: ALICE,
      client: { id: client.clientId, verified: 'registered' },
      routePath: '/r1/mcp',
      grantId: expect.any(String),
    })
    for (const name of ['signed_in', 'token_refreshed', 'token_retried'])
      expect(events(name)[0], name).toMatchObject({ user: ALICE, grantId: issued?.grantId, routePath: '/r1/mcp' })
    for (const name of ['audience_refused', 'code_replayed']) {
      expect(events(name)[0], name).toMatchObject({ grantId: issued?.grantId })
      expect(events(name)[0]?.user, name).toBeUndefined()
    }
    expect(events('signed_in').at(-1)).toMatchObject({
      user: { provider: 'home', subject: PASSWORD_USER.username },
      client: { id: 'static-public', verified: 'static' },
      routePath: '/home',
    })
  })

  it('says who was turned away, and why a sign-in failed (X-16, A-25)', () => {
    expect(events('access_denied')[0]).toMatchObject({
      user: { subject: 'bob', email: 'bob@example.com' },
      routePath: '/r2/mcp',
      reason: 'not_on_list',
    })
    expect(events('sign_in_failed').map(({ provider, reason }) => [provider, reason])).toEqual([
      ['corp', expect.any(String)],
      ['home', 'another_browser'],
      ['home', 'too_many_attempts'],
    ])
  })

  it('holds what clients call themselves as one harmless line (B028)', () => {
    expect(events('client_registered')[0]).toMatchObject({ client: { name: 'Audited app [INFO] fake' } })
  })

  it('holds no secret: no token, code, verifier, state, password or registration token (X-16, U-10)', () => {
    const text = readFileSync(file, 'utf8')
    expect(secrets.length).toBeGreaterThan(20)
    for (const secret of secrets) expect(text).not.toContain(secret)
    expect(text).not.toMatch(/mgh_(at|rt|ac)_/)
  })

  it('is for its owner’s eyes, in a directory that was made for it, and not in the log as well (X-16)', () => {
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(rig.log()).not.toContain('"event":"token_issued"')
  })
})

it('stands among the log lines, marked, where no file is configured (X-16)', async () => {
  const plain = await startRig({ onlyOne: true })
  await register(plain.issuer)
  const marked = plain.log().match(/\{[^\n]*"audit":true[^\n]*/g) ?? []
  expect(marked.map((line) => JSON.parse(line))).toMatchObject([{ event: 'client_registered', outcome: 'success' }])
  await plain.close()
})
