import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { beforeAll, describe, expect, it } from 'vitest'
import { startTestGateway } from '../fixtures/gateway.ts'
import { type Answer, type Ask, ask } from '../fixtures/http-exchange.ts'
import {
  askToken,
  authorizeUrl,
  callRoute,
  type KnownClient,
  obtainCode,
  obtainTokens,
  REDIRECT_URI,
  redeem,
  refresh,
} from '../fixtures/oauth-requests.ts'
import { ALICE, passwordProviders } from '../fixtures/password-provider.ts'
import { startPlainServer } from '../fixtures/plain-server.ts'
import { type Rig, startRig } from './rig.ts'

const METADATA = { client_name: 'Before', redirect_uris: [REDIRECT_URI], token_endpoint_auth_method: 'none' }

/** A registration with what its owner was told. */
interface Managed extends KnownClient {
  readonly uri: string
  readonly token: string
  readonly information: Record<string, unknown>
}

let rig: Rig
beforeAll(async () => {
  rig = await startRig()
  return () => rig.close()
})

async function registerManaged(issuer: string, metadata: Record<string, unknown> = {}): Promise<Managed> {
  const answer = await ask(`${issuer}/register`, { body: { ...METADATA, ...metadata } })
  expect(answer.status, answer.body).toBe(201)
  const information = answer.json()
  const secret = information.client_secret
  return {
    clientId: String(information.client_id),
    redirectUri: REDIRECT_URI,
    uri: String(information.registration_client_uri),
    token: String(information.registration_access_token),
    information,
    ...(typeof secret === 'string' ? { clientSecret: secret } : {}),
  }
}

function manage({ uri, token }: Pick<Managed, 'uri' | 'token'>, method: string, body?: Ask['body']): Promise<Answer> {
  const authorization = `Bearer ${token}`
  return ask(uri, { method, headers: { authorization }, ...(body === undefined ? {} : { body }) })
}

describe('reading (RFC 7592 §2.1)', () => {
  it('says what was registered, with the token that was shown and without any secret (R-14, R-02)', async () => {
    const client = await registerManaged(rig.issuer, { token_endpoint_auth_method: 'client_secret_post' })
    expect(client.uri).toBe(`${rig.issuer}/register/${client.clientId}`)
    const read = await manage(client, 'GET')
    expect(read.status).toBe(200)
    expect(read.headers['cache-control']).toBe('no-store')
    const { client_secret: _, client_secret_expires_at: __, ...rest } = client.information
    expect(read.json()).toEqual(rest)
  })

  it('gives two ids and two tokens for the same words (B035)', async () => {
    const [one, other] = [await registerManaged(rig.issuer), await registerManaged(rig.issuer)]
    expect(one.clientId).not.toBe(other.clientId)
    expect(one.token).not.toBe(other.token)
    expect((await manage(other, 'GET')).json().client_id).toBe(other.clientId)
  })
})

describe('whoever has not the token of the client (RFC 7592 §2, B035)', () => {
  it.each(['GET', 'PUT', 'DELETE'])(
    'gets the same 401 for %s, whether the client exists or not (R-14)',
    async (method) => {
      const [victim, other] = [await registerManaged(rig.issuer), await registerManaged(rig.issuer)]
      const body = method === 'PUT' ? { ...METADATA, client_id: victim.clientId } : undefined
      const tokens = await obtainTokens(rig.issuer, victim, { resource: rig.one })
      const tries: readonly Pick<Managed, 'uri' | 'token'>[] = [
        { ...victim, token: other.token },
        { ...victim, token: `${victim.token}x` },
        { ...victim, token: tokens.accessToken },
        { ...victim, token: tokens.refreshToken },
        { uri: `${rig.issuer}/register/client-that-never-was`, token: victim.token },
        { uri: `${rig.issuer}/register/static-public`, token: victim.token },
      ]
      const answers = await Promise.all(tries.map((attempt) => manage(attempt, method, body)))
      answers.push(await ask(victim.uri, { method, ...(body ? { body } : {}) }))
      for (const answer of answers) {
        expect(answer.status).toBe(401)
        expect(answer.json()).toEqual(answers[0]?.json())
        expect(answer.headers['www-authenticate']).toMatch(/^Bearer /)
      }
      expect((await manage(victim, 'GET')).json()).toMatchObject({ client_name: 'Before' })
      expect((await callRoute(rig.one, tokens.accessToken)).status).toBe(200)
    },
  )

  it('finds the token in no log line (R-14)', async () => {
    const client = await registerManaged(rig.issuer)
    await manage(client, 'GET')
    expect(rig.log()).toContain(client.clientId)
    expect(rig.log()).not.toContain(client.token)
  })
})

describe('updating (RFC 7592 §2.2)', () => {
  const elsewhere = 'http://127.0.0.1:9/elsewhere'

  it('replaces the registration whole (R-14)', async () => {
    const client = await registerManaged(rig.issuer, { client_uri: 'https://app.example/' })
    const body = { client_id: client.clientId, client_name: 'After', redirect_uris: [elsewhere] }
    const updated = await manage(client, 'PUT', { ...body, token_endpoint_auth_method: 'none' })
    expect(updated.status, updated.body).toBe(200)
    expect(updated.json()).toMatchObject({ ...body, registration_access_token: client.token })
    expect(updated.json()).not.toHaveProperty('client_uri')
    expect((await manage(client, 'GET')).json()).toEqual(updated.json())
    expect((await ask(authorizeUrl(rig.issuer, client))).status).toBe(400)
    const page = await ask(authorizeUrl(rig.issuer, { ...client, redirectUri: elsewhere }))
    expect([page.status, page.body.includes('After')]).toEqual([200, true])
  })

  it('keeps what only the server decides, whatever the request says (R-05, B023)', async () => {
    const client = await registerManaged(rig.issuer, { token_endpoint_auth_method: 'client_secret_post' })
    const tokens = await obtainTokens(rig.issuer, client, { resource: rig.one })
    const updated = await manage(client, 'PUT', {
      ...METADATA,
      token_endpoint_auth_method: 'client_secret_post',
      client_id: client.clientId,
      client_secret: 'chosen',
      registration_access_token: 'chosen',
      client_id_issued_at: 1,
    })
    expect(updated.status).toBe(200)
    expect(updated.json().client_id_issued_at).toBe(client.information.client_id_issued_at)
    expect((await manage({ ...client, token: 'chosen' }, 'GET')).status).toBe(401)
    const grant = { grant_type: 'refresh_token', refresh_token: tokens.refreshToken }
    const chosen = await askToken(rig.issuer, client, grant, { client_secret: 'chosen' })
    expect([chosen.status, chosen.json().error]).toEqual([401, 'invalid_client'])
    expect((await askToken(rig.issuer, client, grant)).status).toBe(200)
  })

  it.each<[string, Record<string, unknown>, string]>([
    ['the id of another client', { client_id: 'client-other' }, 'invalid_client_metadata'],
    ['no id', { client_id: undefined }, 'invalid_client_metadata'],
    ['another authentication method', { token_endpoint_auth_method: 'client_secret_basic' }, 'invalid_client_metadata'],
    ['no redirect URI', { redirect_uris: [] }, 'invalid_redirect_uri'],
    ['a redirect URI that runs code', { redirect_uris: ['javascript:alert(1)'] }, 'invalid_redirect_uri'],
  ])('with %s is refused and changes nothing (R-06, B017)', async (_, changes, error) => {
    const client = await registerManaged(rig.issuer)
    const body = { ...METADATA, client_name: 'After', client_id: client.clientId, ...changes }
    const refused = await manage(client, 'PUT', body)
    expect([refused.status, refused.json().error]).toEqual([400, error])
    expect((await manage(client, 'GET')).json()).toMatchObject({ client_name: 'Before', redirect_uris: [REDIRECT_URI] })
  })
})

describe('deleting (RFC 7592 §2.3)', () => {
  it('ends the client, its codes, tokens and management at once, and nobody else’s (R-14, K-05)', async () => {
    const [client, other] = [await registerManaged(rig.issuer), await registerManaged(rig.issuer)]
    const tokens = await obtainTokens(rig.issuer, client, { resource: rig.one })
    const others = await obtainTokens(rig.issuer, other, { resource: rig.one })
    const code = await obtainCode(rig.issuer, client, { resource: rig.one })
    expect((await callRoute(rig.one, tokens.accessToken)).status).toBe(200)

    const deleted = await manage(client, 'DELETE')
    expect([deleted.status, deleted.body]).toEqual([204, ''])
    expect((await callRoute(rig.one, tokens.accessToken)).status).toBe(401)
    for (const answer of [await refresh(rig.issuer, client, tokens.refreshToken), await redeem(rig.issuer, code)])
      expect([answer.status, answer.json().error]).toEqual([401, 'invalid_client'])
    expect((await ask(authorizeUrl(rig.issuer, client))).status).toBe(400)
    expect((await manage(client, 'PUT', METADATA)).status).toBe(401)
    for (const method of ['GET', 'DELETE']) expect((await manage(client, method)).status).toBe(401)

    expect((await callRoute(rig.one, others.accessToken)).status).toBe(200)
    expect((await manage(other, 'GET')).status).toBe(200)
  })

  it('ends streams that are open (R-14, K-05)', async () => {
    let opened: (stream: ServerResponse) => void = () => {}
    const open = new Promise<ServerResponse>((resolve) => {
      opened = resolve
    })
    const server = await startPlainServer((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: {}\n\n')
      opened(response)
    })
    const gateway = await startTestGateway({
      providers: await passwordProviders(),
      routes: { '/mcp': { upstream: server.url, sign_in: 'home' } },
    })
    const url = `${gateway.issuer}/mcp`
    const client = await registerManaged(gateway.issuer)
    const { accessToken } = await obtainTokens(gateway.issuer, client, {}, ALICE)
    const stream = await fetch(url, {
      headers: { authorization: `Bearer ${accessToken}`, accept: 'text/event-stream' },
    })
    expect(stream.status).toBe(200)
    const atServer = once(await open, 'close')

    expect((await manage(client, 'DELETE')).status).toBe(204)
    await stream.text().catch(() => undefined)
    await atServer
    await gateway.close()
    await server.close()
  })
})

it('registering and deleting in turns is counted by the rate limit, total caps or not (B032, X-17)', async () => {
  const limited = await startRig({
    onlyOne: true,
    yaml: { limits: { registrations: 3, pages: 100, token_requests: 100 } },
  })
  const client = await registerManaged(limited.issuer)
  expect((await manage(client, 'DELETE')).status).toBe(204)
  await registerManaged(limited.issuer)
  const fourth = await ask(`${limited.issuer}/register`, { body: METADATA })
  expect([fourth.status, fourth.json().error]).toEqual([429, 'temporarily_unavailable'])
  await limited.close()
})
