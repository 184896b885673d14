import { describe, expect, it } from 'vitest'
import { ask } from '../fixtures/http-exchange.ts'
import { authorizeUrl, callRoute, obtainTokens, register } from '../fixtures/oauth-requests.ts'
import { underAttack } from './oracles.ts'

const gateway = underAttack({ yaml: { allowed_origins: ['https://inspector.example'] } })

let obtained: Promise<string> | undefined
function token(): Promise<string> {
  obtained ??= register(gateway.rig.issuer).then(
    async (client) => (await obtainTokens(gateway.rig.issuer, client, { resource: gateway.rig.one })).accessToken,
  )
  return obtained
}

it.each(['https://inspector.example', 'http://localhost:6274', 'http://127.0.0.1:3000', undefined])(
  'B257 the positive twin: Origin %s is served (P-03)',
  async (origin) => {
    const answer = await callRoute(gateway.rig.one, await token(), origin === undefined ? {} : { origin })
    expect(answer.status).toBe(200)
    expect(answer.headers['access-control-allow-origin']).toBe(origin)
    expect(answer.headers.vary).toContain('Origin')
  },
)

it.each([
  'https://evil.example',
  'null',
  'https://inspector.example.evil.example',
  'http://inspector.example',
  'https://inspector.example:8443',
  'http://localhost.evil.example',
  'https://localhost',
  'http://localhost:1.evil.example',
  'http://127.0.0.1.nip.io',
  'file://',
  '',
  'https://inspector.example, https://evil.example',
])('B257 Origin %j is refused before anything else, with a token or without', async (origin) => {
  for (const accessToken of [await token(), undefined, 'junk']) {
    const answer = await callRoute(gateway.rig.one, accessToken, { origin })
    expect(answer.status).toBe(403)
    expect(answer.headers).not.toHaveProperty('access-control-allow-origin')
  }
  expect(gateway.rig.forwarded).toEqual([])
})

const PATHS = [
  '/r1/mcp',
  '/token',
  '/register',
  '/revoke',
  '/authorize',
  '/consent',
  '/.well-known/oauth-authorization-server',
]

describe('Host', () => {
  it.each(PATHS)('B259 %s answers for no other host', async (path) => {
    const { port } = new URL(gateway.rig.issuer)
    for (const host of [
      `evil.example:${port}`,
      'evil.example',
      `localhost:${port}`,
      '127.0.0.1',
      `127.0.0.1:${port}.`,
      `127.0.0.1:${port}@evil`,
    ]) {
      const answer = await ask(`${gateway.rig.issuer}${path}`, {
        headers: { host, authorization: `Bearer ${await token()}` },
      })
      expect([400, 421]).toContain(answer.status)
      expect(answer.body).not.toContain('evil')
    }
    expect(gateway.rig.forwarded).toEqual([])
  })
})

describe('CORS', () => {
  it('B260 never reflects an origin together with credentials', async () => {
    for (const path of PATHS)
      for (const origin of ['https://evil.example', 'null', 'http://localhost:6274'])
        for (const method of ['GET', 'POST', 'OPTIONS']) {
          const headers = { origin, 'access-control-request-method': 'POST', 'sec-fetch-site': 'cross-site' }
          const answer = await ask(`${gateway.rig.issuer}${path}`, { method, headers })
          expect(answer.headers).not.toHaveProperty('access-control-allow-credentials')
          if (origin !== 'http://localhost:6274')
            expect(['*', undefined]).toContain(answer.headers['access-control-allow-origin'])
        }
  })

  it('B260 pages for people send no CORS at all', async () => {
    const client = await register(gateway.rig.issuer)
    for (const url of [authorizeUrl(gateway.rig.issuer, client), `${gateway.rig.issuer}/callback/corp?state=x`]) {
      const answer = await ask(url, { headers: { origin: 'http://localhost:6274' } })
      expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control'))).toEqual([])
    }
  })

  it('B262 a preflight needs no token, reaches nobody, and is kept for a bounded time (P-03, P-04)', async () => {
    const headers = {
      origin: 'http://localhost:6274',
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization, content-type, mcp-param-region',
    }
    const answer = await ask(gateway.rig.one, { method: 'OPTIONS', headers })
    expect(answer.status).toBe(204)
    expect(answer.headers['access-control-allow-headers']).toContain('mcp-param-region')
    expect(answer.headers['access-control-allow-methods']?.split(', ').toSorted()).toEqual(['DELETE', 'GET', 'POST'])
    expect(Number(answer.headers['access-control-max-age'])).toBeLessThanOrEqual(86_400)
    expect(gateway.rig.forwarded).toEqual([])
  })

  it('B262 a preflight of a stranger is refused, and header names are not reflected blindly', async () => {
    const ask1 = (headers: Record<string, string>) =>
      ask(gateway.rig.one, { method: 'OPTIONS', headers: { 'access-control-request-method': 'POST', ...headers } })
    expect((await ask1({ origin: 'https://evil.example' })).status).toBe(403)
    const odd = await ask1({ origin: 'http://localhost:6274', 'access-control-request-headers': '*, "x"; <script>' })
    expect(odd.headers['access-control-allow-headers']).not.toMatch(/[*<"]/)
  })
})
