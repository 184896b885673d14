import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createBrowser } from '../fixtures/browser.ts'
import { type ClientsGateway, startClientsGateway } from '../fixtures/clients-gateway.ts'
import { installMovableClock, type MovableClock } from '../fixtures/movable-clock.ts'
import {
  authorizeUrl,
  callRoute,
  type KnownClient,
  obtainCode,
  obtainTokens,
  REDIRECT_URI,
  refresh,
  register,
  revoke,
  type Tokens,
} from '../fixtures/oauth-requests.ts'
import { findSecrets } from '../fixtures/secret-search.ts'

const SECRETS = {
  'claude-at-corp': 'secret-of-claude-at-corp-0123456789',
  'web-at-corp': 'secret-of-web-at-corp-0123456789',
}
const INSPECTOR: KnownClient = { clientId: 'inspector', redirectUri: REDIRECT_URI }
const TTL_MS = 600_000

const rule = (match: Record<string, string>, id: keyof typeof SECRETS, name: string) => ({
  match,
  client_id: id,
  client_secret: SECRETS[id],
  name,
})
const MAPPED = {
  mode: 'mapped',
  rules: [
    rule({ client_id: 'inspector' }, 'claude-at-corp', 'Inspector at Corp'),
    rule({ client_name: 'Web *', redirect_host: '127.0.0.1' }, 'web-at-corp', 'Web at Corp'),
  ],
}
const CLIENTS = { clients: { static: [{ client_id: 'inspector', redirect_uris: [REDIRECT_URI] }] } }

let clock: MovableClock
let rig: ClientsGateway

beforeEach(async () => {
  clock = installMovableClock()
  rig = await startClientsGateway(
    { upstream_clients: MAPPED },
    { clients: SECRETS, accessTokenTtlSeconds: TTL_MS / 1000 },
    CLIENTS,
  )
})
afterEach(async () => {
  await rig?.close()
  clock.restore()
})

/** Ids of our clients to which the provider issued tokens, in order. */
const issuedAt = () => rig.provider.events.filter(({ event }) => event === 'grant.success').map((one) => one.clientId)
const call = (tokens: Tokens) => callRoute(`${rig.issuer}/mcp`, tokens.accessToken)

describe('MCP clients that rules map to clients of their own at the provider', () => {
  it('sign in, refresh and are given back as those, and all others as the shared one', async () => {
    const [web, other] = [await register(rig.issuer, { client_name: 'Web App' }), await register(rig.issuer)]
    const held: Tokens[] = []
    for (const client of [INSPECTOR, web, other]) held.push(await obtainTokens(rig.issuer, client))
    const ids = ['claude-at-corp', 'web-at-corp', 'gatehouse']
    expect(issuedAt()).toEqual(ids)

    clock.advance(TTL_MS)
    for (const tokens of held) expect((await call(tokens)).status).toBe(200)
    expect(issuedAt()).toEqual([...ids, ...ids])

    for (const tokens of held) await revoke(rig.issuer, tokens.client, tokens.refreshToken)
    const revoked = () => rig.provider.requests.filter(({ path }) => path === '/token/revocation')
    await vi.waitFor(() => expect(revoked()).toHaveLength(3))
    expect(revoked().map(({ basic }) => basic?.clientId)).toEqual(expect.arrayContaining(ids))
    expect(rig.provider.events.filter(({ event }) => event === 'grant.error')).toEqual([])
    expect(
      findSecrets(
        rig.output(),
        Object.entries(SECRETS).map(([name, value]) => ({ name, value })),
      ),
    ).toEqual([])
  })

  it('are named by consent page, audit trail and metrics as the provider names them', async () => {
    const browser = createBrowser({ stopAt: [REDIRECT_URI] })
    const page = (await browser.get(authorizeUrl(rig.issuer, INSPECTOR))).body
    expect(page).toMatch(/knows this app as <strong><bdi>Inspector at Corp/)
    expect(page).toMatch(/Application at <bdi>corp<\/bdi>.*\n.*Inspector at Corp<\/bdi> <code><bdi>claude-at-corp/)
    const plain = (await browser.get(authorizeUrl(rig.issuer, await register(rig.issuer)))).body
    expect(plain).not.toContain('knows this app as')
    expect(plain).toMatch(/Application at <bdi>corp<\/bdi>.*\n.*<code><bdi>gatehouse/)

    const tokens = await obtainTokens(rig.issuer, INSPECTOR)
    clock.advance(TTL_MS)
    await call(tokens)
    await refresh(rig.issuer, INSPECTOR, tokens.refreshToken)
    const upstreamClient = { provider: 'corp', kind: 'mapped', id: 'claude-at-corp', name: 'Inspector at Corp' }
    for (const event of ['consent_given', 'signed_in', 'call', 'token_refreshed'])
      await vi.waitFor(() => expect(rig.audited(event).at(-1), event).toMatchObject({ upstreamClient }))
    for (const name of ['gatehouse_sign_ins_total', 'gatehouse_provider_refreshes_total'])
      expect(await rig.metrics(`${name}{`)).toEqual([expect.stringContaining('upstream_client="mapped"')])
  })
})

describe('a rule that has changed', () => {
  const elsewhere = { ...MAPPED, rules: [rule({ client_id: 'inspector' }, 'web-at-corp', 'Inspector at Corp')] }

  it.each<[string, Record<string, unknown>]>([
    ['another client of ours', { upstream_clients: elsewhere }],
    ['mode shared', { upstream_clients: { mode: 'shared' } }],
    ['a rule that no longer fits', { upstream_clients: { ...MAPPED, rules: MAPPED.rules.slice(1) } }],
  ])('to %s asks for a new sign-in at once, and sends no token under the new name', async (_, corp) => {
    const tokens = await obtainTokens(rig.issuer, INSPECTOR)
    expect((await call(tokens)).status).toBe(200)
    await rig.restart(corp)
    const asked = rig.provider.requests.length
    const refused = await call(tokens)
    expect(refused.status).toBe(401)
    expect(refused.headers['www-authenticate']).toContain('error="invalid_token"')
    expect((await refresh(rig.issuer, INSPECTOR, tokens.refreshToken)).json()).toMatchObject({ error: 'invalid_grant' })
    expect(rig.provider.requests).toHaveLength(asked)
    expect((await call(await obtainTokens(rig.issuer, INSPECTOR))).status).toBe(200)
    // What was put back is as before: nothing was lost by it.
    await rig.restart({ upstream_clients: MAPPED })
    expect((await call(tokens)).status).toBe(200)
  })

  it('to another secret of the same client changes nothing for its users', async () => {
    const tokens = await obtainTokens(rig.issuer, INSPECTOR)
    const [first, ...others] = MAPPED.rules
    await rig.restart({
      upstream_clients: { ...MAPPED, rules: [{ ...first, client_secret: 'not-the-one-it-was' }, ...others] },
    })
    expect((await call(tokens)).status).toBe(200)
    expect((await refresh(rig.issuer, INSPECTOR, tokens.refreshToken)).status).toBe(200)
  })

  it('of the shared client asks for a new sign-in, too', async () => {
    const client = await register(rig.issuer)
    const tokens = await obtainTokens(rig.issuer, client)
    await rig.restart({ client_id: 'web-at-corp', client_secret: SECRETS['web-at-corp'] })
    expect((await call(tokens)).status).toBe(401)
    expect((await call(await obtainTokens(rig.issuer, client))).status).toBe(200)
  })

  it('by other words of the client about itself does not: what it said when it asked counts', async () => {
    const metadata = { client_name: 'Web App', redirect_uris: [REDIRECT_URI], token_endpoint_auth_method: 'none' }
    const answer = await fetch(`${rig.issuer}/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(metadata),
    })
    const {
      client_id,
      registration_access_token: token,
      registration_client_uri: at,
    } = (await answer.json()) as Record<string, string>
    const client = { clientId: String(client_id), redirectUri: REDIRECT_URI }
    const tokens = await obtainTokens(rig.issuer, client)
    const renamed = await fetch(String(at), {
      method: 'PUT',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({ ...metadata, client_id, client_name: 'Renamed' }),
    })
    expect(renamed.status).toBe(200)
    await rig.restart({ upstream_clients: MAPPED })
    expect((await call(tokens)).status).toBe(200)
    await obtainTokens(rig.issuer, client)
    expect(issuedAt()).toEqual(['web-at-corp', 'gatehouse'])
  })

  it('while a user is at the provider ends that sign-in, and no code is redeemed under another name', async () => {
    const stopAt = [`${rig.issuer}/callback/corp`]
    const browser = createBrowser({ stopAt })
    const consent = await browser.get(authorizeUrl(rig.issuer, INSPECTOR))
    const back = await browser.submit(consent.form(), { decision: 'approve' })
    await rig.restart({ upstream_clients: elsewhere })
    stopAt[0] = REDIRECT_URI
    const end = await browser.get(back.url)
    expect(end.url.searchParams.get('error')).toBe('temporarily_unavailable')
    expect(issuedAt()).toEqual([])
  })
})

describe('a remembered approval', () => {
  const WEB = 'https://app.example/callback'
  const remember = { consent: { remember: '1h' } }

  it('is asked for again when another client of ours is named, and not when nothing has changed (A-38)', async () => {
    const mapped = (...rules: object[]) => ({ upstream_clients: { ...MAPPED, rules } })
    const own = rule({ client_name: 'Web *' }, 'web-at-corp', 'Web at Corp')
    await rig.restart(mapped(own), remember)
    const web = await register(rig.issuer, { client_name: 'Web App', redirect_uris: [WEB] })
    const { browser } = await obtainCode(rig.issuer, web)
    await rig.restart(mapped(rule({ client_id: 'somebody' }, 'claude-at-corp', 'Other'), own), remember)
    expect((await browser.get(authorizeUrl(rig.issuer, web))).stopped).toBe(true)
    await rig.restart(
      mapped({ ...own, client_id: 'claude-at-corp', client_secret: SECRETS['claude-at-corp'] }),
      remember,
    )
    expect((await browser.get(authorizeUrl(rig.issuer, web))).form().choices('decision')).toEqual(['deny', 'approve'])
  })
})

describe('otherwise: refuse', () => {
  beforeEach(() => rig.restart({ upstream_clients: { ...MAPPED, otherwise: 'refuse' } }))

  it('turns away clients that no rule fits with a page, before anybody is asked', async () => {
    const page = await createBrowser().get(authorizeUrl(rig.issuer, await register(rig.issuer)))
    expect(page.status).toBe(403)
    expect(page.body).toContain('This application may not be used here')
    expect(page.body).toContain('error=access_denied')
    expect(rig.provider.requests).toEqual([])
    expect((await call(await obtainTokens(rig.issuer, INSPECTOR))).status).toBe(200)
  })
})
