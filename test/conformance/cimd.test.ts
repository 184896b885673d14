import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type DocumentServer, startDocumentServer } from '../fixtures/document-server.ts'
import { spawnTestGateway, startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { ask } from '../fixtures/http-exchange.ts'
import { installMovableClock, type MovableClock } from '../fixtures/movable-clock.ts'
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
import { ALICE, passwordProviders } from '../fixtures/password-provider.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'

const LOOPBACK = 'http://127.0.0.1:9/callback'
const WEB = 'https://app.example/cb'
const STATIC: KnownClient = { clientId: 'declared', redirectUri: LOOPBACK }
const DAY = 86_400_000

let clock: MovableClock
let documents: DocumentServer
let mcp: PlainServer
let gateway: TestGateway
let yaml: Record<string, unknown>
let issuer: string

beforeAll(async () => {
  clock = installMovableClock()
  documents = await startDocumentServer()
  mcp = await startPlainServer((_, response) => void response.end('{}'))
  yaml = {
    providers: await passwordProviders(),
    routes: { '/mcp': { upstream: mcp.url, sign_in: 'home' } },
    clients: {
      metadata_documents: { allow_hosts: ['localhost'] },
      static: [{ client_id: STATIC.clientId, redirect_uris: [STATIC.redirectUri] }],
    },
    consent: { remember: '90d' },
    limits: { pages: 100_000 },
  }
  gateway = await startTestGateway(yaml)
  issuer = gateway.issuer
})

afterAll(async () => {
  await gateway?.close()
  await Promise.all([documents?.close(), mcp?.close()])
  clock?.restore()
})

let published = 0

/** Publishes a document under a path of its own. */
function publish(members: Record<string, unknown> = {}, headers: Record<string, string> = {}) {
  published += 1
  const path = `/clients/${published}.json`
  const clientId = documents.origin + path
  const document = { client_id: clientId, client_name: `App ${published}`, redirect_uris: [LOOPBACK], ...members }
  documents.publish(path, document, headers)
  const [redirectUri = ''] = document.redirect_uris as string[]
  return { client: { clientId, redirectUri }, path, document, fetches: () => fetches(path) }
}

function fetches(path: string): number {
  return documents.seen.filter((request) => request.path === path).length
}

describe('a client that is named by its metadata document (R-30)', () => {
  it('is announced, beside public clients (D-31, D-29)', async () => {
    const metadata = (await ask(`${issuer}/.well-known/oauth-authorization-server`)).json()
    expect(metadata.client_id_metadata_document_supported).toBe(true)
    expect(metadata.token_endpoint_auth_methods_supported).toEqual(expect.arrayContaining(['none', 'private_key_jwt']))
  })

  it('gets tokens, uses, refreshes and revokes them as any other client', async () => {
    const { client } = publish({ client_name: 'Whole Flow' })
    const tokens = await obtainTokens(issuer, client, { resource: `${issuer}/mcp` }, ALICE)
    expect((await callRoute(`${issuer}/mcp`, tokens.accessToken)).status).toBe(200)
    const next = tokensOf(client, await refresh(issuer, client, tokens.refreshToken))
    expect((await callRoute(`${issuer}/mcp`, next.accessToken)).status).toBe(200)
    expect((await revoke(issuer, client, next.refreshToken)).status).toBe(200)
    expect((await callRoute(`${issuer}/mcp`, next.accessToken)).status).toBe(401)
    const trail = gateway
      .output()
      .split('\n')
      .filter((line) => line.includes('"audit":true') && line.includes('Whole Flow'))
    expect(trail.filter((line) => line.includes('"event":"signed_in"'))).toHaveLength(1)
    for (const line of trail) expect(JSON.parse(line).client.verified).toBe('metadata-document')
  })

  it('lives beside registered and declared clients (R-49)', async () => {
    for (const client of [publish().client, await register(issuer), STATIC]) {
      const tokens = await obtainTokens(issuer, client, {}, ALICE)
      expect((await refresh(issuer, client, tokens.refreshToken)).status).toBe(200)
    }
  })

  it('is shown by the host of its id, its name and where the answer goes, with a warning on loopback (R-44, A-32, B053)', async () => {
    const { client } = publish({ client_name: 'Claude Code' })
    const page = await browserFor(client).get(authorizeUrl(issuer, client))
    const shown = page.body.slice(0, page.body.indexOf('<details>'))
    for (const text of [`localhost:${documents.port}`, 'Claude Code', '127.0.0.1:9', 'Any program on this computer'])
      expect(shown).toContain(text)
    const web = publish({ redirect_uris: [WEB] }).client
    const webPage = await browserFor(web).get(authorizeUrl(issuer, web))
    expect(webPage.body).toContain('app.example')
    expect(webPage.body).not.toContain('Any program on this computer')
  })

  it('may use any port of a loopback redirect, also of one without port (R-42, A-04)', async () => {
    const { client } = publish({ redirect_uris: ['http://localhost/callback', 'http://127.0.0.1/callback'] })
    for (const redirectUri of ['http://localhost:9/callback', 'http://127.0.0.1:10/callback'])
      expect((await obtainCode(issuer, { ...client, redirectUri }, {}, ALICE)).code).toMatch(/^mgh_ac_/)
  })

  it.each(['http://127.0.0.1:9/other', 'https://localhost/callback', 'http://127.0.0.1.evil.example/callback'])(
    'may not have its answer sent to %s, whatever host its id has (R-42, B047)',
    async (redirectUri) => {
      const { client } = publish()
      const page = await ask(authorizeUrl(issuer, { ...client, redirectUri }))
      expect([page.status, page.headers.location]).toEqual([400, undefined])
      expect((await ask(authorizeUrl(issuer, client))).status).toBe(200)
    },
  )
})

describe('the document of a client', () => {
  it('is asked for once while it is fresh, and again afterwards (R-38)', async () => {
    const { client, fetches } = publish({}, { 'cache-control': 'max-age=600' })
    for (let count = 0; count < 5; count += 1) await ask(authorizeUrl(issuer, client))
    expect(fetches()).toBe(1)
    clock.advance(600_000)
    await ask(authorizeUrl(issuer, client))
    expect(fetches()).toBe(2)
  })

  it('that cannot be had ends on a page, never in a redirect, and is not held against the client (R-39, R-38)', async () => {
    const { client, path, document } = publish()
    documents.answers.set(path, (_, response) => response.writeHead(500).end())
    const page = await ask(authorizeUrl(issuer, client))
    expect([page.status, page.headers.location]).toEqual([503, undefined])
    expect(page.headers['content-type']).toMatch(/^text\/html/)
    expect(page.headers['retry-after']).toBeDefined()
    documents.publish(path, document)
    clock.advance(5000)
    expect((await ask(authorizeUrl(issuer, client))).status).toBe(200)
  })

  it('that does not exist ends on a page too (R-32, R-39)', async () => {
    const page = await ask(authorizeUrl(issuer, { clientId: `${documents.origin}/nothing`, redirectUri: LOOPBACK }))
    expect([page.status, page.headers.location]).toEqual([400, undefined])
  })

  it('stands in for itself for a day while its host is away, for new sign-ins as well (R-40, C29)', async () => {
    const { client, path } = publish({}, { 'cache-control': 'max-age=600' })
    await ask(authorizeUrl(issuer, client))
    documents.answers.set(path, (_, response) => response.writeHead(403).end())
    clock.advance(DAY - 1000)
    expect((await ask(authorizeUrl(issuer, client))).status).toBe(200)
    clock.advance(10_000)
    expect((await ask(authorizeUrl(issuer, client))).status).toBe(503)
  })

  it('that was withdrawn serves no new sign-in, but the grants that exist (R-40, C29)', async () => {
    const { client, path } = publish()
    const tokens = await obtainTokens(issuer, client, {}, ALICE)
    documents.answers.delete(path)
    clock.advance(DAY)
    expect((await ask(authorizeUrl(issuer, client))).status).toBe(400)
    expect((await refresh(issuer, client, tokens.refreshToken)).status).toBe(200)
  })

  it('that changed while the user was asked changes nothing for them (B049)', async () => {
    const { client, path, document } = publish({ client_name: 'Before' }, { 'cache-control': 'no-store' })
    const browser = browserFor(client)
    const consent = await browser.get(authorizeUrl(issuer, client))
    documents.publish(path, { ...document, client_name: 'After', redirect_uris: ['http://127.0.0.1:9/elsewhere'] })
    clock.advance(300_000)
    expect((await ask(authorizeUrl(issuer, client))).status).toBe(400)
    const end = await approve(browser, consent, ALICE)
    expect(end.url.href.startsWith(`${LOOPBACK}?`)).toBe(true)
  })

  it('that changed has the user asked again (R-45)', async () => {
    const { client, path, document } = publish({ redirect_uris: [WEB] })
    const browser = browserFor(client)
    const open = () => browser.get(authorizeUrl(issuer, client, { resource: `${issuer}/mcp` }))
    await approve(browser, await open(), ALICE)
    // The password page of the same provider: consent was remembered.
    expect((await open()).form().names).toContain('password')
    documents.publish(path, { ...document, client_name: 'Another name' })
    clock.advance(3_600_000)
    const asked = await open()
    expect(asked.form().names).toContain('decision')
    expect(asked.body).toContain('Another name')
  })

  it('shows no logo and links to nothing (R-47, B052)', async () => {
    const { client } = publish({ logo_uri: `${documents.origin}/logo.png`, client_uri: 'https://app.example/about' })
    const { body, headers } = await ask(authorizeUrl(issuer, client))
    expect(body).toContain('https://app.example/about')
    expect(body).not.toMatch(/<img|logo\.png|href="https/)
    expect(headers['content-security-policy']).not.toMatch(/img-src [^;]*http/)
    expect(fetches('/logo.png')).toBe(0)
  })
})

describe('when the host of the document is gone for good', () => {
  it('sign-ins that have begun, refresh and revocation go on, over a restart too (R-40, C29)', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'gatehouse-ca-'))
    const host = await startDocumentServer()
    const ca = join(directory, 'ca.pem')
    writeFileSync(ca, host.certificate)
    const spawned = await spawnTestGateway(yaml, { NODE_EXTRA_CA_CERTS: ca })
    try {
      const clientId = `${host.origin}/client.json`
      host.publish('/client.json', { client_id: clientId, client_name: 'Gone', redirect_uris: [LOOPBACK] })
      const client = { clientId, redirectUri: LOOPBACK }
      const waiting = await obtainCode(spawned.issuer, client, {}, ALICE)
      const tokens = await obtainTokens(spawned.issuer, client, {}, ALICE)
      const newcomer = { clientId: `${host.origin}/new.json`, redirectUri: LOOPBACK }
      host.publish('/new.json', { client_id: newcomer.clientId, client_name: 'New', redirect_uris: [LOOPBACK] })
      const browser = browserFor(newcomer)
      const consent = await browser.get(authorizeUrl(spawned.issuer, newcomer))
      await host.close()
      await spawned.kill()
      await spawned.restart()
      expect((await approve(browser, consent, ALICE)).url.searchParams.get('code')).toMatch(/^mgh_ac_/)
      const next = tokensOf(client, await refresh(spawned.issuer, client, tokens.refreshToken))
      expect((await redeem(spawned.issuer, waiting)).status).toBe(200)
      expect((await revoke(spawned.issuer, client, next.refreshToken)).status).toBe(200)
      expect((await callRoute(`${spawned.issuer}/mcp`, next.accessToken)).status).toBe(401)
      const stranger = { clientId: `${host.origin}/stranger.json`, redirectUri: LOOPBACK }
      expect((await refresh(spawned.issuer, stranger, tokens.refreshToken)).json().error).toBe('invalid_client')
    } finally {
      await spawned.close()
      await host.close().catch(() => undefined)
      rmSync(directory, { recursive: true })
    }
  })
})

describe('a client that the operator pinned (R-40)', () => {
  it('is served as declared, and its document is never read', async () => {
    const { client, fetches } = publish({ redirect_uris: ['http://127.0.0.1:9/other'] })
    const pinning = await startTestGateway({
      ...yaml,
      clients: { static: [{ client_id: client.clientId, redirect_uris: [LOOPBACK] }] },
    })
    const pinned = { clientId: client.clientId, redirectUri: LOOPBACK }
    const tokens = await obtainTokens(pinning.issuer, pinned, {}, ALICE)
    expect((await refresh(pinning.issuer, pinned, tokens.refreshToken)).status).toBe(200)
    expect((await ask(authorizeUrl(pinning.issuer, client))).status).toBe(400)
    await pinning.close()
    expect(fetches()).toBe(0)
  })
})

describe('where the operator lists hosts, or wants no documents at all (R-46)', () => {
  it('documents of other hosts are not asked for', async () => {
    const picky = await startTestGateway({ ...yaml, clients: { metadata_documents: { allow_hosts: ['localhost:1'] } } })
    const { client, fetches } = publish()
    expect((await ask(authorizeUrl(picky.issuer, client))).status).toBe(400)
    await picky.close()
    expect(fetches()).toBe(0)
  })

  it('no document is asked for, and none is announced (D-31, B058)', async () => {
    const off = await startTestGateway({ ...yaml, clients: { metadata_documents: { enabled: false } } })
    const { client, fetches } = publish()
    const metadata = (await ask(`${off.issuer}/.well-known/oauth-authorization-server`)).json()
    expect(metadata).not.toHaveProperty('client_id_metadata_document_supported')
    expect((await ask(authorizeUrl(off.issuer, client))).status).toBe(400)
    const answer = await refresh(off.issuer, client, 'mgh_rt_x')
    expect([answer.status, answer.json().error]).toEqual([401, 'invalid_client'])
    await off.close()
    expect(fetches()).toBe(0)
  })
})
