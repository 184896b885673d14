import { createRemoteJWKSet, jwtVerify } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type SpawnedGateway, spawnTestGateway } from '../fixtures/gateway.ts'
import { ask } from '../fixtures/http-exchange.ts'
import { callRoute, obtainTokens, register } from '../fixtures/oauth-requests.ts'
import { ALICE, passwordProviders } from '../fixtures/password-provider.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'

describe('a server that trusts the gateway (signed-jwt, RFC 7519)', () => {
  let server: PlainServer
  let gateway: SpawnedGateway

  beforeAll(async () => {
    server = await startPlainServer((request, response) => {
      request.resume()
      const { authorization } = request.headers
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ authorization }))
    })
    const credential = { kind: 'signed-jwt', audience: 'https://reports.internal' }
    gateway = await spawnTestGateway({
      providers: await passwordProviders(),
      routes: { '/reports': { upstream: server.url, sign_in: 'home', credential } },
    })
  })
  afterAll(async () => {
    await Promise.all([gateway?.close(), server?.close()])
  })

  async function statement(): Promise<string> {
    const client = await register(gateway.issuer)
    const { accessToken } = await obtainTokens(gateway.issuer, client, {}, ALICE)
    const seen = (await callRoute(`${gateway.issuer}/reports`, accessToken)).json()
    return String(seen.authorization).replace('Bearer ', '')
  }

  const verify = (jwt: string, audience = 'https://reports.internal') =>
    jwtVerify(jwt, createRemoteJWKSet(new URL(`${gateway.issuer}/.well-known/jwks.json`)), {
      issuer: gateway.issuer,
      audience,
      algorithms: ['ES256'],
    })

  it('gets a statement about the user that verifies with the published keys, for its audience only', async () => {
    const jwt = await statement()
    const { payload } = await verify(jwt)
    expect(payload).toMatchObject({ sub: 'alice', idp: 'home', scope: 'mcp', resource: `${gateway.issuer}/reports` })
    expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(300)
    await expect(verify(jwt, 'https://another.internal')).rejects.toThrow(/aud/)
  })

  it('publishes public halves only, and the same keys after a restart (D-16, K-09, B011)', async () => {
    const before = await ask(`${gateway.issuer}/.well-known/jwks.json`)
    expect(before.status).toBe(200)
    expect(before.headers['access-control-allow-origin']).toBe('*')
    const { keys } = before.json() as { keys: Record<string, unknown>[] }
    expect(keys).toHaveLength(3)
    for (const key of keys) expect(Object.keys(key).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
    const jwt = await statement()
    await gateway.kill()
    await gateway.restart()
    expect((await ask(`${gateway.issuer}/.well-known/jwks.json`)).body).toBe(before.body)
    await expect(verify(jwt)).resolves.toBeDefined()
  })
})
