import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type GatewayYaml, startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { type IdentityProvider, startIdentityProvider } from '../fixtures/identity-provider.ts'
import {
  callRoute,
  type KnownClient,
  obtainTokens,
  refresh,
  register,
  type Tokens,
} from '../fixtures/oauth-requests.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'

let corp: IdentityProvider
let other: IdentityProvider
let server: PlainServer
let directory: string
let seen: (string | undefined)[]
let gateway: TestGateway
/** Of the first start; the others keep it. */
let issuer: string
let client: KnownClient
let tokens: Tokens
let again: GatewayYaml

const provider = (idp: IdentityProvider) => ({
  type: 'oidc',
  issuer: idp.issuer,
  client_id: idp.clientId,
  client_secret: idp.clientSecret,
  scopes: ['openid', 'email', 'offline_access'],
})
const providers = () => ({ corp: provider(corp), other: provider(other) })
const routes = (signIn: string, credential: Readonly<Record<string, unknown>>) => ({
  '/mcp': { upstream: server.url, sign_in: signIn, credential },
})
const OF_CORP = { kind: 'provider-token', provider: 'corp' }

/** One user with tokens of `corp`; the operator then changes the configuration and starts the gateway again. */
beforeEach(async () => {
  seen = []
  directory = mkdtempSync(join(tmpdir(), 'gatehouse-provider-'))
  ;[corp, other] = await Promise.all([startIdentityProvider(), startIdentityProvider()])
  server = await startPlainServer((request, response) => {
    seen.push(request.headers.authorization)
    response.end('{}')
  })
  const database = `sqlite:${join(directory, 'gatehouse.db')}`
  gateway = await startTestGateway({ database, providers: providers(), routes: routes('corp', OF_CORP) })
  issuer = gateway.issuer
  for (const name of ['corp', 'other'] as const)
    (name === 'corp' ? corp : other).allowRedirect(`${issuer}/callback/${name}`)
  client = await register(issuer)
  tokens = await obtainTokens(issuer, client)
  expect((await callRoute(`${issuer}/mcp`, tokens.accessToken)).status).toBe(200)
  again = {
    database,
    public_url: issuer,
    listen: new URL(issuer).host,
    encryption_keys: [gateway.encryptionKey],
    providers: providers(),
  }
  await gateway.close()
  seen = []
})

afterEach(async () => {
  await gateway.close().catch(() => {})
  await Promise.all([corp.close(), other.close(), server.close()])
  rmSync(directory, { recursive: true, force: true })
})

async function restart(changes: GatewayYaml): Promise<void> {
  gateway = await startTestGateway({ ...again, ...changes })
}

async function expectSignedOut(): Promise<void> {
  expect((await callRoute(`${issuer}/mcp`, tokens.accessToken)).status).toBe(401)
  expect((await refresh(issuer, client, tokens.refreshToken)).json()).toMatchObject({ error: 'invalid_grant' })
  expect(seen).toEqual([])
}

it('tokens of one provider are never used at another: not at the server, not at its token endpoint (U-05, B172)', async () => {
  await restart({ routes: routes('corp', { kind: 'provider-token', provider: 'other' }) })
  await expectSignedOut()
  expect(other.requests.filter(({ path }) => path === '/token')).toEqual([])
  await gateway.close()
  await restart({ routes: routes('corp', OF_CORP) })
  expect((await callRoute(`${issuer}/mcp`, tokens.accessToken)).status).toBe(200)
})

it('who signed in at another provider than the route asks for now signs in again (A-25, B172)', async () => {
  await restart({ routes: routes('other', OF_CORP) })
  await expectSignedOut()
  await gateway.close()
  await restart({ routes: routes('corp', OF_CORP) })
  expect((await callRoute(`${issuer}/mcp`, tokens.accessToken)).status).toBe(200)
})

it('another provider under a known name is refused at start: its users would be taken for others (U-11, X-13)', async () => {
  const swapped = { corp: provider(other) }
  await expect(restart({ providers: swapped, routes: routes('corp', OF_CORP) })).rejects.toThrow(/another provider/)
  await restart({ providers: { ...swapped, corp: provider(corp) }, routes: routes('corp', OF_CORP) })
  expect((await callRoute(`${issuer}/mcp`, tokens.accessToken)).status).toBe(200)
})

it('an old key can be taken out: what it sealed is signed in anew, and the gateway starts (X-20, B286)', async () => {
  const [first] = again.encryption_keys as string[]
  const second = randomBytes(32).toString('base64')
  await restart({ encryption_keys: [second, first], routes: routes('corp', OF_CORP) })
  expect((await callRoute(`${issuer}/mcp`, tokens.accessToken)).status).toBe(200)
  const renewed = await obtainTokens(issuer, client)
  await gateway.close()
  await restart({ encryption_keys: [second], routes: routes('corp', OF_CORP) })
  expect((await callRoute(`${issuer}/mcp`, renewed.accessToken)).status).toBe(200)
  expect((await callRoute(`${issuer}/mcp`, tokens.accessToken)).status).toBe(401)
  await gateway.close()
  const third = randomBytes(32).toString('base64')
  await expect(restart({ encryption_keys: [third], routes: routes('corp', OF_CORP) })).rejects.toThrow(
    /other encryption keys/,
  )
})
