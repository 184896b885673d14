import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newEncryptionKey } from '../../src/domain/encryption-key.ts'
import { type SpawnedGateway, spawnTestGateway, startTestGateway } from '../fixtures/gateway.ts'
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

describe('keys that sign statements, when encryption keys change (K-09, B287)', () => {
  it('are the same under a new encryption key; where only one that was taken out opens them, others sign', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'gatehouse-statements-'))
    const server = await startPlainServer((request, response) => {
      request.resume()
      const { authorization } = request.headers
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ authorization }))
    })
    const providers = await passwordProviders()
    const credential = { kind: 'signed-jwt', audience: 'https://reports.internal' }
    const routes = { '/reports': { upstream: server.url, sign_in: 'home', credential } }
    const [old, next] = [newEncryptionKey(), newEncryptionKey()].map((key) => key.reveal())

    /** What a gateway with these keys publishes, and what it says of a user, verified by it. */
    async function start(keys: unknown) {
      const database = `sqlite:${join(directory, 'gatehouse.db')}`
      const gateway = await startTestGateway({ database, providers, routes, encryption_keys: keys })
      try {
        const published = await ask(`${gateway.issuer}/.well-known/jwks.json`)
        const { accessToken } = await obtainTokens(gateway.issuer, await register(gateway.issuer), {}, ALICE)
        const seen = (await callRoute(`${gateway.issuer}/reports`, accessToken)).json()
        const keySet = createRemoteJWKSet(new URL(`${gateway.issuer}/.well-known/jwks.json`))
        const verified = await jwtVerify(String(seen.authorization).replace('Bearer ', ''), keySet)
        return { published: published.body, kid: verified.protectedHeader.kid, subject: verified.payload.sub }
      } finally {
        await gateway.close()
      }
    }

    try {
      const first = await start([old])
      expect(await start([next, old])).toEqual(first)
      const third = await start([next])
      expect(third.subject).toBe('alice')
      // Whoever remembers a key by its name must not take another one for it.
      expect(first.published).not.toContain(third.kid)
      expect(await start([next])).toEqual(third)
    } finally {
      await server.close()
      rmSync(directory, { recursive: true })
    }
  })
})
