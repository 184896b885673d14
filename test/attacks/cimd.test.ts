import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Client } from '../../src/domain/client.ts'
import type { Egress, Fetched } from '../../src/http/egress.ts'
import type { AuthorizationServer } from '../../src/oauth/authorization-server.ts'
import { findClient } from '../../src/oauth/client.ts'
import { createMetadataClients } from '../../src/oauth/metadata-clients.ts'
import type { Store } from '../../src/storage/store.ts'
import { type Answer, type DocumentServer, startDocumentServer } from '../fixtures/document-server.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { ask } from '../fixtures/http-exchange.ts'
import { askToken, authorizeUrl, obtainCode, redeem } from '../fixtures/oauth-requests.ts'
import { ALICE, passwordProviders } from '../fixtures/password-provider.ts'
import { assertionParameters, createSigningKey } from '../fixtures/signing-client.ts'

const REDIRECT = 'http://127.0.0.1:9/callback'

let documents: DocumentServer
let gateway: TestGateway
let issuer: string

beforeAll(async () => {
  documents = await startDocumentServer()
  gateway = await startTestGateway({
    providers: await passwordProviders(),
    routes: { '/mcp': { upstream: 'http://127.0.0.1:9/mcp', sign_in: 'home' } },
    clients: { metadata_documents: { allow_hosts: ['localhost'] } },
    limits: { pages: 1_000_000, token_requests: 1_000_000 },
  })
  issuer = gateway.issuer
})
afterAll(async () => {
  await gateway?.close()
  await documents?.close()
})

let count = 0
let before = 0
beforeEach(() => {
  before = documents.connections()
})

const authorize = (clientId: string) => ask(authorizeUrl(issuer, { clientId, redirectUri: REDIRECT }))
const document = (clientId: string) => ({ client_id: clientId, client_name: 'An app', redirect_uris: [REDIRECT] })

/** Publishes a good document under a fresh path. */
function publish(changes: Record<string, unknown> = {}): string {
  count += 1
  const path = `/c/${count}`
  return documents.publish(path, { ...document(documents.origin + path), ...changes })
}

/** Publishes an answer of its own making under a fresh path. */
function publishAnswer(answer: (clientId: string) => Answer): string {
  count += 1
  const path = `/c/${count}`
  documents.answers.set(path, answer(documents.origin + path))
  return documents.origin + path
}

/** O: a page, no redirect, nothing reflected; and the gateway goes on serving others. */
async function expectRefused(clientId: string, status: number): Promise<void> {
  const answer = await authorize(clientId)
  expect([answer.status, answer.headers.location]).toEqual([status, undefined])
  expect(answer.headers['content-type']).toMatch(/^text\/html/)
  expect(answer.body).not.toContain('name="decision"')
  if (clientId.length > 12) expect(answer.body).not.toContain(clientId)
  expect((await authorize(publish())).status).toBe(200)
}

describe('client ids that no document can have (B037, B038)', () => {
  it.each<[string, (port: number) => string]>([
    ['http', (port) => `http://localhost:${port}/c`],
    ['no path', (port) => `https://localhost:${port}`],
    ['a fragment', (port) => `https://localhost:${port}/c#f`],
    ['a query', (port) => `https://localhost:${port}/c?q`],
    ['a user name', (port) => `https://u@localhost:${port}/c`],
    ['a dot segment', (port) => `https://localhost:${port}/a/../c`],
    ['an encoded dot segment', (port) => `https://localhost:${port}/a/%2e%2e/c`],
    ['no slashes', (port) => `https:localhost:${port}/c`],
    ['three slashes', (port) => `https:///localhost:${port}/c`],
    ['a tab', (port) => `https://local\thost:${port}/c`],
    ['a line break', (port) => `https://localhost:${port}/\nc`],
    ['a space', (port) => `https://localhost:${port}/c `],
    ['a backslash', (port) => `https://localhost:${port}\\c`],
    ['upper case', (port) => `HTTPS://LOCALHOST:${port}/c`],
    ['2,049 characters', (port) => `https://localhost:${port}/${'c'.repeat(2048)}`],
    ['full-width digits', (port) => `https://①②⑦.0.0.1:${port}/c`],
    ['a short address', (port) => `https://127.1:${port}/c`],
    ['a hexadecimal address', (port) => `https://0x7f000001:${port}/c`],
  ])('%s: refused without a connection', async (_, clientId) => {
    const answer = await authorize(clientId(documents.port))
    expect([answer.status, answer.headers.location]).toEqual([400, undefined])
    expect(documents.connections()).toBe(before)
    expect((await authorize(publish())).status).toBe(200)
  })
})

describe('addresses that are not for the public (B038)', () => {
  const anyHost = async () =>
    startTestGateway({
      providers: await passwordProviders(),
      routes: { '/mcp': { upstream: 'http://127.0.0.1:9/mcp', sign_in: 'home' } },
      limits: { pages: 100_000 },
    })

  it('are not asked, though any host may publish documents', async () => {
    const open = await anyHost()
    const hosts = [
      '127.0.0.1',
      '[::1]',
      '[::ffff:7f00:1]',
      '10.0.0.1',
      '169.254.169.254',
      '[64:ff9b::7f00:1]',
      '[fe80::1]',
    ]
    for (const host of hosts) {
      const clientId = `https://${host}:${documents.port}/c`
      const page = await ask(authorizeUrl(open.issuer, { clientId, redirectUri: REDIRECT }))
      expect([host, page.status]).toEqual([host, 400])
    }
    const named = await ask(authorizeUrl(open.issuer, { clientId: publish(), redirectUri: REDIRECT }))
    expect(named.status).not.toBe(200)
    await open.close()
    expect(documents.connections()).toBe(before)
  })

  it('are not asked for keys either, while the listed host is (B059)', async () => {
    const key = await createSigningKey('a')
    const attempt = async (jwksUri: string) => {
      const clientId = publish({ token_endpoint_auth_method: 'private_key_jwt', jwks_uri: jwksUri })
      const client = { clientId, redirectUri: REDIRECT }
      const code = await obtainCode(issuer, client, {}, ALICE)
      const connections = documents.connections()
      const answer = await redeem(issuer, code, assertionParameters(await key.assert(clientId, issuer)))
      return [answer.status, answer.json().error, documents.connections() - connections]
    }
    documents.publish('/keys', { keys: [key.publicJwk] })
    expect(await attempt(`${documents.origin}/keys`)).toEqual([200, undefined, 1])
    for (const host of ['127.0.0.1', '[::1]', '169.254.169.254', '10.0.0.1', '[::ffff:7f00:1]'])
      expect(await attempt(`https://${host}:${documents.port}/keys`)).toEqual([401, 'invalid_client', 0])
  })
})

describe('documents that are not what they should be', () => {
  it.each<[string, (clientId: string) => unknown]>([
    ['another path', (id) => ({ ...document(id), client_id: `${id}x` })],
    ['another case', (id) => ({ ...document(id), client_id: id.replace('localhost', 'LOCALHOST') })],
    ['a final slash', (id) => ({ ...document(id), client_id: `${id}/` })],
    ['percent-encoding', (id) => ({ ...document(id), client_id: id.replace('/c/', '/%63/') })],
    ['no name', (id) => ({ ...document(id), client_name: undefined })],
    ['a secret', (id) => ({ ...document(id), client_secret: 'x' })],
    ['a symmetric method', (id) => ({ ...document(id), token_endpoint_auth_method: 'client_secret_post' })],
    ['a private key', (id) => ({ ...document(id), jwks: { keys: [{ kty: 'EC', d: 'x' }] } })],
    ['a hostile redirect', (id) => ({ ...document(id), redirect_uris: [REDIRECT, 'javascript:alert(1)'] })],
    ['no redirects', (id) => ({ ...document(id), redirect_uris: [] })],
    ['a list around it', (id) => [document(id)]],
    ['a polluted prototype', (id) => JSON.parse(`{"__proto__":${JSON.stringify(document(id))}}`)],
  ])('%s: refused (B044, B046)', async (_, make) => {
    const clientId = publishAnswer((id) => (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(make(id)))
    })
    await expectRefused(clientId, 400)
  })

  it.each([301, 302, 303, 307, 308])('a redirect with %d is not followed, even to itself (B041)', async (status) => {
    const good = publish()
    const sink = () => documents.seen.filter(({ path }) => good.endsWith(path)).length
    for (const location of [good, `http://127.0.0.1:${documents.port}/`, '?again']) {
      await expectRefused(
        publishAnswer((id) => (_request, response) => {
          response.writeHead(status, { location, 'content-type': 'application/json' }).end(JSON.stringify(document(id)))
        }),
        400,
      )
    }
    expect(sink()).toBe(0)
  })

  it.each<[string, (clientId: string) => Answer]>([
    [
      '6 KB',
      (id) => (_, response) =>
        response
          .writeHead(200, { 'content-type': 'application/json' })
          .end(JSON.stringify({ ...document(id), padding: 'x'.repeat(6000) })),
    ],
    [
      'a compressed bomb',
      (id) => (_, response) =>
        response
          .writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
          .end(gzipSync(JSON.stringify({ ...document(id), padding: 'x'.repeat(5_000_000) }))),
    ],
    [
      'a document inside a page',
      (id) => (_, response) =>
        response.writeHead(200, { 'content-type': 'text/html' }).end(JSON.stringify(document(id))),
    ],
    [
      '201',
      (id) => (_, response) =>
        response.writeHead(201, { 'content-type': 'application/json' }).end(JSON.stringify(document(id))),
    ],
  ])('%s: refused (B043, R-32)', async (_, answer) => expectRefused(publishAnswer(answer), 400))

  it('names and addresses in it stay text on every page (B052, R-15)', async () => {
    const hostile = '"><script>alert(1)</script>'
    const page = await authorize(publish({ client_name: hostile, client_uri: `https://x/${hostile}`, scope: hostile }))
    expect(page.status).toBe(200)
    expect(page.body).not.toContain('<script')
  })
})

describe('a host that never answers (B050)', () => {
  it('is asked once for 1,000 requests, costs five seconds, and disturbs no other client', async () => {
    const clientId = publishAnswer(() => () => undefined)
    const path = new URL(clientId).pathname
    const good = publish()
    const waiting = Array.from({ length: 1000 }, () => authorize(clientId))
    expect((await authorize(good)).status).toBe(200)
    const answers = await Promise.all(waiting)
    expect(new Set(answers.map(({ status, headers }) => `${status} ${headers.location}`))).toEqual(
      new Set(['503 undefined']),
    )
    expect(documents.seen.filter((request) => request.path === path)).toHaveLength(1)
  })

  it('is not asked by the token endpoint at all', async () => {
    const clientId = publishAnswer(() => () => undefined)
    const answer = await askToken(
      issuer,
      { clientId, redirectUri: REDIRECT },
      { grant_type: 'refresh_token', refresh_token: 'x' },
    )
    expect([answer.status, answer.json().error]).toEqual([401, 'invalid_client'])
    expect(documents.connections()).toBe(before)
  })
})

describe('what is written down (R-41, X-17)', () => {
  /** A store that knows nobody and notes what it is told. */
  function noting() {
    const written: Client[] = []
    const store = {
      findClient: async () => undefined,
      updateClient: async () => false,
      putClient: async (client: Client) => void written.push(client),
    } as unknown as Store
    return { store, written }
  }

  it('is nothing for those who only ask, and one client for who signs in', async () => {
    const egress: Egress = {
      async get(url): Promise<Fetched> {
        const body = Buffer.from(JSON.stringify(document(url)))
        return { outcome: 'answered', status: 200, headers: new Map([['content-type', 'application/json']]), body }
      },
    }
    const { store, written } = noting()
    const clients = createMetadataClients({ egress, store, allowHosts: [], now: () => 0 })
    for (let index = 0; index < 5000; index += 1)
      expect((await clients.resolve(`https://app.example/${index}`, '192.0.2.1')).ok).toBe(true)
    expect(written).toEqual([])
    expect(await clients.recall('https://app.example/0')).toBeUndefined()
    const last = await clients.recall('https://app.example/4999')
    if (!last) throw new Error('not remembered')
    await clients.keep(last)
    expect(written).toEqual([last])
  })
})

describe('clients that were signed in with before the operator changed their mind (B058, R-46)', () => {
  const clientId = 'https://app.example/client'
  const copy: Client = {
    clientId,
    origin: 'metadata-document',
    redirectUris: [REDIRECT],
    tokenEndpointAuthMethod: 'none',
    grantTypes: ['authorization_code'],
    applicationType: 'native',
    createdAt: 0,
  }
  const store = { findClient: async () => copy } as unknown as Store
  const egress: Egress = { get: async () => ({ outcome: 'failed', reason: 'timed_out' }) }
  const find = (metadataClients: object) =>
    findClient({ staticClients: new Map(), store, ...metadataClients } as unknown as AuthorizationServer, clientId)
  const serving = (allowHosts: readonly string[]) => ({
    metadataClients: createMetadataClients({ egress, store, allowHosts, now: () => 0 }),
  })

  it('are unknown while documents are off or their host is not listed, and known otherwise', async () => {
    expect(await find(serving([]))).toEqual(copy)
    expect(await find(serving(['app.example']))).toEqual(copy)
    expect(await find(serving(['other.example']))).toBeUndefined()
    expect(await find({})).toBeUndefined()
  })
})
