import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { expect } from 'vitest'
import { createBrowser, type Page } from '../fixtures/browser.ts'
import type { DocumentServer } from '../fixtures/document-server.ts'
import { type Answer, ask } from '../fixtures/http-exchange.ts'
import { callMcp } from '../fixtures/mcp-call.ts'
import type { Person } from '../fixtures/walk.ts'
import type { GoldenClient, Parameters, Registration, Seen } from './golden-client.ts'

/** Where clients are replayed. */
export interface Scene {
  readonly issuer: string
  /** The MCP URL. */
  readonly url: string
  /** Publishes metadata documents. */
  readonly documents: DocumentServer
  readonly person: Person
}

/** Proves at the token endpoint who it is, by parameters. */
type Authenticate = () => Promise<Parameters>

/** Goes the whole way as this client does, and returns what it saw. Throws where the client would give up. */
export async function replay(client: GoldenClient, registration: Registration, scene: Scene): Promise<Seen> {
  const { issuer, url } = scene
  const probes: Answer[] = []
  for (const probe of client.discovery) {
    const target = fill(probe.url, { issuer, url, path: new URL(url).pathname })
    const answer = await ask(target, { method: probe.method ?? 'GET', headers: { ...probe.headers } })
    expect(answer.status, `${probe.method ?? 'GET'} ${target}`).toBe(probe.status)
    probes.push(answer)
  }
  const challenge = await ask(url, { body: { jsonrpc: '2.0', id: 1, method: 'initialize' } })
  const resourceMetadata = (await ask(attribute(challenge, 'resource_metadata'))).json()
  const [server] = resourceMetadata.authorization_servers as [string]
  const serverMetadata = (await ask(`${server}/.well-known/oauth-authorization-server`)).json()

  const known = await become(registration, scene, serverMetadata)
  const verifier = randomBytes(32).toString('base64url')
  const learned = {
    resource: String(resourceMetadata.resource),
    scopes: (resourceMetadata.scopes_supported as string[]).join(' '),
    redirect_uri: registration.redirectUri,
  }
  const state = randomUUID()
  const query = new URLSearchParams({
    response_type: 'code',
    client_id: known.clientId,
    redirect_uri: registration.redirectUri,
    state,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    ...filled(client.authorize, learned),
  })
  const { consent, end } = await walk(`${serverMetadata.authorization_endpoint}?${query}`, registration, scene.person)
  const answer = end.stopped ? end.url : handedOver(end)
  expect(answer.searchParams.get('state')).toBe(state)
  expect(answer.searchParams.get('iss')).toBe(serverMetadata.issuer)

  const endpoint = String(serverMetadata.token_endpoint)
  const token = async (parameters: Parameters) => {
    const body = new URLSearchParams({ ...parameters, ...(await known.authenticate()) })
    return ask(endpoint, { body })
  }
  const first = await token({
    grant_type: 'authorization_code',
    code: answer.searchParams.get('code') ?? '',
    code_verifier: verifier,
    ...filled(client.token, learned),
  })
  expect(first.status, first.body).toBe(200)
  expect((await callMcp(url, String(first.json().access_token))).status).toBe(200)
  const second = await token({
    grant_type: 'refresh_token',
    refresh_token: String(first.json().refresh_token),
    ...filled(client.refresh, learned),
  })
  expect(second.status, second.body).toBe(200)
  expect((await callMcp(url, String(second.json().access_token))).status).toBe(200)
  return {
    issuer,
    url,
    clientId: known.clientId,
    probes,
    challenge,
    resourceMetadata,
    serverMetadata,
    ...(known.registered ? { registered: known.registered } : {}),
    consent,
    end,
    answer,
    token: first.json(),
    refreshed: second.json(),
    ask: token,
  }
}

interface KnownClient {
  readonly clientId: string
  readonly registered?: Record<string, unknown>
  readonly authenticate: Authenticate
}

/** Gets a client id: registers, or publishes the document under its own path. */
async function become(
  registration: Registration,
  { documents }: Scene,
  metadata: Readonly<Record<string, unknown>>,
): Promise<KnownClient> {
  if (registration.way === 'dynamic') {
    const answer = await ask(String(metadata.registration_endpoint), { body: registration.metadata })
    expect(answer.status, answer.body).toBe(201)
    const registered = answer.json()
    const { client_id: id, client_secret: secret } = registered
    const withSecret = registration.authentication === 'client_secret_post' ? { client_secret: String(secret) } : {}
    return {
      clientId: String(id),
      registered,
      authenticate: async () => ({ client_id: String(id), ...withSecret }),
    }
  }
  const clientId = `${documents.origin}${registration.documentPath}`
  const { publicKey, privateKey } = await generateKeyPair('RS256')
  const jwksPath = `${registration.documentPath}/jwks.json`
  documents.publish(jwksPath, { keys: [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'RS256' }] })
  const keys = registration.authentication === 'private_key_jwt' ? { jwks_uri: `${documents.origin}${jwksPath}` } : {}
  documents.publish(`${registration.documentPath}`, { client_id: clientId, ...registration.metadata, ...keys })
  if (registration.authentication !== 'private_key_jwt')
    return { clientId, authenticate: async () => ({ client_id: clientId }) }
  const assertion = () =>
    new SignJWT({})
      .setProtectedHeader({ alg: 'RS256', kid: 'one', typ: 'JWT' })
      .setIssuer(clientId)
      .setSubject(clientId)
      .setAudience(String(metadata.token_endpoint))
      .setJti(randomUUID())
      .setIssuedAt()
      .setExpirationTime('1m')
      .sign(privateKey)
  return {
    clientId,
    authenticate: async () => ({
      client_id: clientId,
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: await assertion(),
    }),
  }
}

async function walk(
  url: string,
  { redirectUri }: Registration,
  person: Person,
): Promise<{ readonly consent: Page; readonly end: Page }> {
  const browser = createBrowser({ stopAt: [redirectUri] })
  const consent = await browser.get(url)
  expect(consent.status, consent.body).toBe(200)
  const signIn = await browser.submit(consent.form(), { decision: 'approve' })
  return { consent, end: await browser.submit(signIn.form(), { ...person }) }
}

/** The address behind the link of the page that hands over to a program. */
function handedOver(page: Page): URL {
  const href = /<a class="button primary" href="([^"]+)"/.exec(page.body)?.[1]
  if (href === undefined) throw new Error(`no link to the client: ${page.status} ${page.body}`)
  return new URL(href.replaceAll('&amp;', '&'))
}

/** Reads a challenge as the TypeScript SDK does: by a pattern, without unescaping. */
function attribute(challenge: Answer, name: string): string {
  const value = new RegExp(`${name}="([^"]+)"`).exec(challenge.headers['www-authenticate'] ?? '')?.[1]
  if (value === undefined) throw new Error(`the challenge has no ${name}`)
  return value
}

function filled(parameters: Parameters, values: Parameters): Parameters {
  return Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name, fill(value, values)]))
}

function fill(text: string, values: Parameters): string {
  return text.replaceAll(/\{(\w+)\}/g, (placeholder, name: string) => values[name] ?? placeholder)
}
