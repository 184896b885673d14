import Database from 'better-sqlite3'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createBrowser } from '../fixtures/browser.ts'
import { type ClientsGateway, startClientsGateway } from '../fixtures/clients-gateway.ts'
import type { IdentityProviderOptions } from '../fixtures/identity-provider.ts'
import { installMovableClock, type MovableClock } from '../fixtures/movable-clock.ts'
import {
  approve,
  authorizeUrl,
  browserFor,
  callRoute,
  type KnownClient,
  obtainTokens,
  REDIRECT_URI,
  refresh,
  register,
  type Tokens,
} from '../fixtures/oauth-requests.ts'
import { findSecrets } from '../fixtures/secret-search.ts'

const TTL_MS = 600_000
const PARALLEL = 12
const INSPECTOR: KnownClient = { clientId: 'inspector', redirectUri: REDIRECT_URI }

let clock: MovableClock
let rig: ClientsGateway

async function start(more: Record<string, unknown> = {}, options: IdentityProviderOptions = {}): Promise<void> {
  clock = installMovableClock()
  rig = await startClientsGateway(
    (provider) => {
      const guarded = options.registration === 'guarded'
      const initial = guarded ? { initial_access_token: provider.initialAccessToken } : {}
      return { upstream_clients: { mode: 'mirrored', ...initial, ...more } }
    },
    { registration: 'open', accessTokenTtlSeconds: TTL_MS / 1000, ...options },
    { clients: { static: [{ client_id: 'inspector', client_name: 'MCP Inspector', redirect_uris: [REDIRECT_URI] }] } },
  )
}
afterEach(async () => {
  await rig?.close()
  clock.restore()
})

const host = () => new URL(rig.issuer).host
const noted = (event: string) => rig.provider.events.filter((one) => one.event === event)
const registrations = () => noted('registration_create.success')
const issued = () => noted('grant.success').map(({ clientName }) => clientName)
const call = (tokens: Tokens) => callRoute(`${rig.issuer}/mcp`, tokens.accessToken)

function rows(): { client_id: string; sealed: string; version: number }[] {
  const reader = new Database(rig.databaseFile, { readonly: true })
  const found = reader.prepare('SELECT * FROM upstream_clients ORDER BY client_id').all()
  reader.close()
  return found as { client_id: string; sealed: string; version: number }[]
}

function change(sql: string, ...values: unknown[]): void {
  const writer = new Database(rig.databaseFile)
  expect(writer.prepare(sql).run(...values).changes).toBe(1)
  writer.close()
}

/** What became of an authorization: the parameters of the answer to the client. */
async function authorize(client: KnownClient): Promise<URLSearchParams> {
  const browser = browserFor(client)
  return (await approve(browser, await browser.get(authorizeUrl(rig.issuer, client)))).url.searchParams
}

describe.each<['open' | 'guarded']>([['open'], ['guarded']])(
  'at a provider where registration is %s',
  (registration) => {
    it('two MCP clients are two clients, whom its own events and our audit trail show apart', async () => {
      await start({}, { registration })
      const other = await register(rig.issuer, { client_name: 'Desk \u202eApp' })
      const [first, second] = [await obtainTokens(rig.issuer, INSPECTOR), await obtainTokens(rig.issuer, other)]
      const names = [`MCP Inspector via ${host()}`, `Desk App via ${host()}`]
      expect(registrations().map(({ clientName }) => clientName)).toEqual(names)
      expect(new Set(registrations().map(({ clientId }) => clientId)).size).toBe(2)
      expect(issued()).toEqual(names)

      clock.advance(TTL_MS)
      for (const tokens of [first, second]) expect((await call(tokens)).status).toBe(200)
      expect(issued()).toEqual([...names, ...names])
      expect(noted('grant.error')).toEqual([])

      const ids = registrations().map(({ clientId: id }, index) => ({
        provider: 'corp',
        kind: 'mirrored',
        id,
        name: names[index],
      }))
      const trail = (event: string) => rig.audited(event).map(({ upstreamClient }) => upstreamClient)
      await vi.waitFor(() => expect(trail('call')).toEqual(ids))
      for (const event of ['upstream_client_registered', 'consent_given', 'signed_in'])
        expect(trail(event)).toEqual(ids)
      expect(await rig.metrics('gatehouse_sign_ins_total{')).toEqual([
        expect.stringContaining('upstream_client="mirrored"'),
      ])
      expect(await rig.metrics('gatehouse_upstream_registrations_total{')).toEqual([
        expect.stringMatching(/"registered".* 2$/),
      ])
    })
  },
)

describe('the client that is registered for an MCP client', () => {
  it('needs no client of the operator’s own beside it: sign-in, refresh and calls work without', async () => {
    await start()
    await rig.restart({ upstream_clients: { mode: 'mirrored' }, client_id: undefined, client_secret: undefined })
    const tokens = await obtainTokens(rig.issuer, INSPECTOR)
    clock.advance(TTL_MS)
    expect((await call(tokens)).status).toBe(200)
    expect(rig.provider.requests.some(({ basic, form }) => (basic?.clientId ?? form.get('client_id')) === 'none')).toBe(
      false,
    )
  })

  it('is registered after consent, never before, and the consent page names it', async () => {
    await start()
    const browser = browserFor(INSPECTOR)
    const consent = await browser.get(authorizeUrl(rig.issuer, INSPECTOR))
    expect(consent.body).toContain(`knows this app as <strong><bdi>MCP Inspector via ${host()}</bdi>`)
    expect(rig.provider.requests).toEqual([])
    await browser.submit(consent.form(), { decision: 'deny' })
    expect(rig.provider.requests).toEqual([])
    await obtainTokens(rig.issuer, INSPECTOR)
    const again = await browser.get(authorizeUrl(rig.issuer, INSPECTOR))
    expect(again.body).toContain(String(registrations()[0]?.clientId))
  })

  it(`is one, also for ${PARALLEL} authorizations at once, over restarts, and for every user`, async () => {
    await start()
    const answers = await Promise.all(Array.from({ length: PARALLEL }, () => authorize(INSPECTOR)))
    expect(answers.map((answer) => answer.has('code'))).toEqual(Array(PARALLEL).fill(true))
    await rig.restart({ upstream_clients: { mode: 'mirrored' } })
    expect((await authorize(INSPECTOR)).has('code')).toBe(true)
    expect(registrations()).toHaveLength(1)
    expect(rows()).toHaveLength(1)
  })

  it('is kept sealed: what is moved to another row opens nothing, and another one is registered (B281)', async () => {
    await start()
    const other = await register(rig.issuer)
    const tokens = await obtainTokens(rig.issuer, INSPECTOR)
    await obtainTokens(rig.issuer, other)
    const sealedOf = (id: string) => String(rows().find((row) => row.client_id === id)?.sealed)
    expect(sealedOf('inspector')).not.toContain(String(registrations()[0]?.clientId))
    await rig.stop()
    change('UPDATE upstream_clients SET sealed = ? WHERE client_id = ?', sealedOf(other.clientId), 'inspector')
    await rig.restart({ upstream_clients: { mode: 'mirrored' } })
    expect((await call(tokens)).status).toBe(401)
    expect((await call(await obtainTokens(rig.issuer, INSPECTOR))).status).toBe(200)
    expect(registrations()).toHaveLength(3)
  })

  it('leaves no secret in the log', async () => {
    await start({}, { registration: 'guarded' })
    const tokens = await obtainTokens(rig.issuer, INSPECTOR)
    clock.advance(TTL_MS)
    await call(tokens)
    const sent = rig.provider.requests.flatMap(({ form, bearer }) => [form.get('client_secret'), bearer])
    const known = sent.flatMap((value, index) => (value ? [{ name: String(index), value }] : []))
    expect(known.length).toBeGreaterThan(2)
    expect(findSecrets(rig.output(), known)).toEqual([])
  })
})

describe('a provider that cannot register anybody', () => {
  it.each<['unavailable' | 'html', string]>([
    ['unavailable', '503'],
    ['html', 'with a page'],
  ])('(%s) is an outage for the client, nothing is stored, and it works as soon as the provider does', async (mode) => {
    await start()
    rig.provider.setMode({ registration: mode })
    const answer = await authorize(INSPECTOR)
    expect(answer.get('error')).toBe('temporarily_unavailable')
    expect(rows()).toEqual([])
    expect(await rig.metrics('gatehouse_upstream_registrations_total{')).toEqual([
      expect.stringContaining('"unavailable"'),
    ])
    rig.provider.setMode({ registration: 'ok' })
    expect((await authorize(INSPECTOR)).has('code')).toBe(true)
  })

  it('refuses without the token that it wants, and the log says so', async () => {
    await start({ initial_access_token: 'wrong-token' }, { registration: 'guarded' })
    expect((await authorize(INSPECTOR)).get('error')).toBe('temporarily_unavailable')
    expect(rig.output()).toContain('"reason":"invalid_token"')
    expect(rig.output()).not.toContain('wrong-token')
  })

  it('names no place for it: the same, and the log says so', async () => {
    await start()
    await rig.restart({
      upstream_clients: { mode: 'mirrored', registration_endpoint: `${rig.provider.issuer}/nowhere` },
    })
    expect((await authorize(INSPECTOR)).get('error')).toBe('temporarily_unavailable')
    expect(rig.output()).toContain('client not registered')
  })
})

describe('a client that the provider has lost', () => {
  it('ends the grants of its MCP client at their refresh; the next sign-in registers another', async () => {
    await start()
    const tokens = await obtainTokens(rig.issuer, INSPECTOR)
    await rig.provider.forget(String(registrations()[0]?.clientId))
    clock.advance(TTL_MS)
    expect((await call(tokens)).status).toBe(401)
    expect((await refresh(rig.issuer, INSPECTOR, tokens.refreshToken)).json()).toMatchObject({ error: 'invalid_grant' })
    expect(rig.audited('upstream_client_forgotten')).toHaveLength(1)
    expect(rig.audited('grant_revoked').at(-1)).toMatchObject({ reason: 'invalid_client' })
    expect((await call(await obtainTokens(rig.issuer, INSPECTOR))).status).toBe(200)
    expect(registrations()).toHaveLength(2)
  })

  it('is believed to be lost only when that is confirmed: here at a second refusal, five minutes later', async () => {
    await start()
    const tokens = await obtainTokens(rig.issuer, INSPECTOR)
    await rig.provider.forget(String(registrations()[0]?.clientId))
    rig.provider.setMode({ management: 'unavailable' })
    clock.advance(TTL_MS)
    expect((await call(tokens)).status).toBe(503)
    expect((await authorize(INSPECTOR)).get('error')).toBe('temporarily_unavailable')
    expect(registrations()).toHaveLength(1)
    clock.advance(5 * 60_000)
    expect((await call(tokens)).status).toBe(401)
    expect(rig.audited('upstream_client_forgotten')).toHaveLength(1)
    expect((await call(await obtainTokens(rig.issuer, INSPECTOR))).status).toBe(200)
    expect(registrations()).toHaveLength(2)
  })

  it('is found to be gone before the next sign-in, so that no user is sent to an error page there', async () => {
    await start()
    await obtainTokens(rig.issuer, INSPECTOR)
    clock.advance(6 * 60_000)
    expect((await authorize(INSPECTOR)).has('code')).toBe(true)
    expect(registrations()).toHaveLength(1)
    await rig.provider.forget(String(registrations()[0]?.clientId))
    clock.advance(6 * 60_000)
    expect((await authorize(INSPECTOR)).has('code')).toBe(true)
    expect(registrations()).toHaveLength(2)
    expect(rig.audited('upstream_client_forgotten')).toHaveLength(1)
    expect(rows()).toHaveLength(1)
  })

  it('while a user is signing in there fails that sign-in alone', async () => {
    await start()
    const stopAt = [`${rig.issuer}/callback/corp`]
    const browser = createBrowser({ stopAt })
    const back = await approve(browser, await browser.get(authorizeUrl(rig.issuer, INSPECTOR)))
    await rig.provider.forget(String(registrations()[0]?.clientId))
    stopAt[0] = REDIRECT_URI
    expect((await browser.get(back.url)).url.searchParams.get('error')).toBe('server_error')
    expect((await authorize(INSPECTOR)).has('code')).toBe(true)
    expect(registrations()).toHaveLength(2)
  })
})

describe('a provider that refuses all clients for a moment (invalid_client)', () => {
  it.each<['ok' | 'unavailable']>([['ok'], ['unavailable']])(
    'signs nobody out (its registrations: %s): users wait, and go on as the client that they have',
    async (management) => {
      await start()
      const all = [await obtainTokens(rig.issuer, INSPECTOR), await obtainTokens(rig.issuer, INSPECTOR)]
      clock.advance(TTL_MS)
      rig.provider.setMode({ tokenEndpoint: 'knows-nobody', management })
      for (const tokens of all) expect((await call(tokens)).status).toBe(503)
      expect((await authorize(INSPECTOR)).get('error')).toBe('temporarily_unavailable')
      rig.provider.setMode({ tokenEndpoint: 'ok', management: 'ok' })
      clock.advance(60_000)
      for (const tokens of all) expect((await call(tokens)).status).toBe(200)
      expect((await authorize(INSPECTOR)).has('code')).toBe(true)
      expect(registrations()).toHaveLength(1)
      expect(rig.audited('upstream_client_forgotten')).toEqual([])

      // What was refused before it was accepted counts no more.
      rig.provider.setMode({ tokenEndpoint: 'knows-nobody', management })
      clock.advance(TTL_MS)
      for (const tokens of all) expect((await call(tokens)).status).toBe(503)
      expect(rig.audited('grant_revoked')).toEqual([])
    },
  )
})

describe('an MCP client that goes', () => {
  it('takes its client at the provider with it (RFC 7592 §2.3), and nobody else’s', async () => {
    await start()
    await obtainTokens(rig.issuer, INSPECTOR)
    const answer = await fetch(`${rig.issuer}/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ redirect_uris: [REDIRECT_URI], token_endpoint_auth_method: 'none' }),
    })
    const {
      client_id,
      registration_client_uri: at,
      registration_access_token: token,
    } = (await answer.json()) as Record<string, string>
    await obtainTokens(rig.issuer, { clientId: String(client_id), redirectUri: REDIRECT_URI })
    const [staying, going] = registrations().map(({ clientId }) => String(clientId))
    const headers = { authorization: `Bearer ${token}` }
    expect((await fetch(String(at), { method: 'DELETE', headers })).status).toBe(204)
    await vi.waitFor(async () => expect(await rig.provider.knows(String(going))).toBe(false))
    expect(await rig.provider.knows(String(staying))).toBe(true)
    expect(rows().map((row) => row.client_id)).toEqual(['inspector'])
    expect(rig.audited('upstream_client_removed')).toHaveLength(1)
  })

  it('is gone also when the provider is away at that moment', async () => {
    await start()
    const answer = await fetch(`${rig.issuer}/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ redirect_uris: [REDIRECT_URI], token_endpoint_auth_method: 'none' }),
    })
    const {
      client_id,
      registration_client_uri: at,
      registration_access_token: token,
    } = (await answer.json()) as Record<string, string>
    await obtainTokens(rig.issuer, { clientId: String(client_id), redirectUri: REDIRECT_URI })
    await rig.provider.close()
    expect((await fetch(String(at), { method: 'DELETE', headers: { authorization: `Bearer ${token}` } })).status).toBe(
      204,
    )
    await vi.waitFor(() => expect(rows()).toEqual([]))
  })
})

describe('another mode', () => {
  it.each<[string, Record<string, unknown>]>([
    ['shared', { upstream_clients: { mode: 'shared' } }],
    [
      'mapped',
      { upstream_clients: { mode: 'mapped', rules: [{ match: { client_id: 'inspector' }, client_id: 'else' }] } },
    ],
  ])('%s asks for a new sign-in at once; what was registered is there again with mode mirrored', async (_, corp) => {
    await start()
    const tokens = await obtainTokens(rig.issuer, INSPECTOR)
    await rig.restart(corp)
    const asked = rig.provider.requests.length
    expect((await call(tokens)).status).toBe(401)
    expect((await refresh(rig.issuer, INSPECTOR, tokens.refreshToken)).json()).toMatchObject({ error: 'invalid_grant' })
    expect(rig.provider.requests).toHaveLength(asked)
    await rig.restart({ upstream_clients: { mode: 'mirrored' } })
    expect((await call(tokens)).status).toBe(200)
    expect(registrations()).toHaveLength(1)
  })

  it('mirrored instead of shared asks for a new sign-in, too', async () => {
    await start()
    await rig.restart({})
    const tokens = await obtainTokens(rig.issuer, INSPECTOR)
    expect((await call(tokens)).status).toBe(200)
    await rig.restart({ upstream_clients: { mode: 'mirrored' } })
    expect((await call(tokens)).status).toBe(401)
    expect((await call(await obtainTokens(rig.issuer, INSPECTOR))).status).toBe(200)
  })
})

describe('max_clients', () => {
  it('is kept to: one that nobody needs makes room, one with a grant does not', async () => {
    await start({ max_clients: 2 })
    const unused = await register(rig.issuer)
    const browser = createBrowser({ stopAt: [`${rig.provider.issuer}/auth`] })
    await approve(browser, await browser.get(authorizeUrl(rig.issuer, unused)))
    await obtainTokens(rig.issuer, INSPECTOR)
    const third = await register(rig.issuer)
    // Somebody may still be signing in with the first.
    expect((await authorize(third)).get('error')).toBe('temporarily_unavailable')
    // Nothing is registered for whom there is no room: not every provider takes it back.
    expect(registrations()).toHaveLength(2)
    clock.advance(16 * 60_000)
    expect((await call(await obtainTokens(rig.issuer, third))).status).toBe(200)
    expect(
      rows()
        .map((row) => row.client_id)
        .sort(),
    ).toEqual([third.clientId, 'inspector'].sort())
    await vi.waitFor(async () => expect(await rig.provider.knows(String(registrations()[0]?.clientId))).toBe(false))
    clock.advance(16 * 60_000)
    expect((await authorize(unused)).get('error')).toBe('temporarily_unavailable')
  })
})
