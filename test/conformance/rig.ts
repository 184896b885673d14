import { randomBytes, scryptSync } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { startTestGateway } from '../fixtures/gateway.ts'
import { type IdentityProvider, startIdentityProvider } from '../fixtures/identity-provider.ts'
import { closeServer } from '../fixtures/loopback-server.ts'

/** A request as an MCP server saw it. */
export interface Forwarded {
  readonly server: 'one' | 'two'
  readonly method: string
  readonly url: string
  /** As they came, duplicates included: name, value, name, value. */
  readonly rawHeaders: readonly string[]
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** A gateway over HTTP with two MCP servers behind it and a real identity provider, where alice and bob can sign in. */
export interface Rig {
  readonly issuer: string
  /** Where to connect; the same as the issuer unless `publicUrl` was given. */
  readonly address: string
  readonly operations: string
  /** URLs of the routes. `two` is for engineering only, alice is in it and bob is not. */
  readonly one: string
  readonly two: string
  /** Password sign-in; see {@link PASSWORD_USER}. */
  readonly home: string
  readonly identityProvider: IdentityProvider
  readonly forwarded: Forwarded[]
  /** Everything that the gateway has logged at level trace. */
  log(): string
  readonly databaseFile: string
  close(): Promise<void>
}

export interface RigOptions {
  /** Another public URL than the address that it listens on; requests then need its `Host`. */
  readonly publicUrl?: string
  /** Only route one. */
  readonly onlyOne?: boolean
  readonly registration?: 'open' | 'approved' | 'off'
  /** Further top-level members of gateway.yaml. */
  readonly yaml?: Readonly<Record<string, unknown>>
}

export const PASSWORD_USER = { username: 'carol', password: 'correct horse battery staple' }
/** What the MCP servers get; it must show up nowhere else. */
export const SHARED_CREDENTIAL = 'shared-credential-CANARY-4f1d8a02'
/** Declared clients: `static-public` and `static-basic` may use it. */
export const STATIC_REDIRECT = 'https://static.example/cb?tenant=1'
export const STATIC_SECRET = 'static:secret%with+signs-CANARY-9c2e'

/** Starts everything on ephemeral ports of 127.0.0.1. Close it when done. */
export async function startRig(options: RigOptions = {}): Promise<Rig> {
  const directory = mkdtempSync(join(tmpdir(), 'gatehouse-test-'))
  const forwarded: Forwarded[] = []
  const one = await startMcpServer('one', forwarded)
  const two = await startMcpServer('two', forwarded)
  const identityProvider = await startIdentityProvider({
    accounts: [
      { sub: 'alice', email: 'alice@example.com', email_verified: true, groups: ['engineering'] },
      { sub: 'bob', email: 'bob@example.com', email_verified: true, groups: ['sales'] },
    ],
  })
  const databaseFile = join(directory, 'gatehouse.db')
  const gateway = await startTestGateway({
    ...(options.publicUrl === undefined ? {} : { public_url: options.publicUrl }),
    database: `sqlite:${databaseFile}`,
    providers: {
      corp: {
        type: 'oidc',
        issuer: identityProvider.issuer,
        client_id: identityProvider.clientId,
        client_secret: identityProvider.clientSecret,
      },
      home: { type: 'password', users: { [PASSWORD_USER.username]: cheapHash(PASSWORD_USER.password) } },
    },
    routes: { ...routeOne(one.url), ...(options.onlyOne ? {} : moreRoutes(two.url)) },
    clients: { registration: options.registration ?? 'open', static: STATIC_CLIENTS },
    // Tests send more in a minute than honest clients do.
    limits: { registrations: 100_000, pages: 100_000, token_requests: 100_000 },
    ...options.yaml,
  })
  const issuer = options.publicUrl ?? gateway.issuer
  identityProvider.allowRedirect(`${issuer}/callback/corp`)
  return {
    issuer,
    address: gateway.issuer,
    operations: gateway.operations,
    one: `${issuer}/r1/mcp`,
    two: `${issuer}/r2/mcp`,
    home: `${issuer}/home`,
    identityProvider,
    forwarded,
    log: gateway.output,
    databaseFile,
    async close() {
      await gateway.close()
      await Promise.all([one.close(), two.close(), identityProvider.close()])
      rmSync(directory, { recursive: true })
    },
  }
}

const STATIC_CLIENTS = [
  { client_id: 'static-public', redirect_uris: [STATIC_REDIRECT] },
  {
    client_id: 'static-basic',
    redirect_uris: [STATIC_REDIRECT],
    token_endpoint_auth_method: 'client_secret_basic',
    client_secret: STATIC_SECRET,
  },
]

function routeOne(upstream: URL) {
  const credential = { kind: 'static', value: SHARED_CREDENTIAL }
  return { '/r1/mcp': { title: 'Server one', upstream, sign_in: 'corp', credential } }
}

function moreRoutes(upstream: URL) {
  return {
    '/r2/mcp': {
      title: 'Server two',
      upstream,
      sign_in: 'corp',
      allow: { groups: ['engineering'] },
      inject: { 'X-User': '{user.email}' },
    },
    '/home': { upstream, sign_in: 'home', inject: { 'X-User': '{user.sub}' } },
  }
}

async function startMcpServer(name: Forwarded['server'], forwarded: Forwarded[]) {
  const server = createServer(async (request, response) => {
    // A request that was broken off is none.
    const sent = await buffer(request).catch(() => undefined)
    if (sent === undefined) return
    const { method = '', url = '', rawHeaders, headers } = request
    forwarded.push({ server: name, method, url, rawHeaders, headers, body: sent.toString() })
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, result: { server: name } })
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length }).end(body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/internal/mcp`),
    close: () => closeServer(server),
  }
}

/** The cheapest hash that is accepted; tests sign in often. */
function cheapHash(password: string): string {
  const salt = randomBytes(16)
  const hash = scryptSync(password, salt, 32, { N: 2 ** 14, r: 8, p: 1 })
  return `scrypt$ln=14,r=8,p=1$${salt.toString('base64url')}$${hash.toString('base64url')}`
}
