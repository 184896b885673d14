import { describe, expect, it } from 'vitest'
import { ask, rawAsk, statuses } from '../fixtures/http-exchange.ts'
import { underAttack } from './oracles.ts'

const gateway = underAttack()
const DOCUMENTS = [
  '/.well-known/oauth-authorization-server',
  '/.well-known/oauth-protected-resource/r1/mcp',
  '/.well-known/oauth-protected-resource/home',
]

const SPOOFS: Record<string, string>[] = [
  { 'x-forwarded-host': 'evil.example' },
  { 'x-forwarded-proto': 'https' },
  { 'x-forwarded-port': '444' },
  { 'x-forwarded-prefix': '/evil' },
  { forwarded: 'host=evil.example;proto=https' },
  { 'x-original-host': 'evil.example' },
  { 'x-host': 'evil.example' },
  { 'x-forwarded-server': 'evil.example' },
  { 'x-original-url': '/evil' },
  { 'x-rewrite-url': '/evil' },
  { 'x-http-method-override': 'DELETE' },
  { 'x-forwarded-host': 'a", error="insufficient_scope", scope="admin' },
]

describe('metadata', () => {
  it('B001 issuer, authorization_servers and endpoints agree byte for byte', async () => {
    const { issuer } = gateway.rig
    const server = (await ask(`${issuer}${DOCUMENTS[0]}`)).json()
    expect(server.issuer).toBe(issuer)
    for (const path of DOCUMENTS.slice(1))
      expect((await ask(`${issuer}${path}`)).json().authorization_servers).toEqual([issuer])
  })

  it.each([
    '/%22%3E%3Cscript%3E',
    '/PLANTED',
    `/${'P'.repeat(2000)}`,
    '/%0d%0aSet-Cookie:PLANTED',
    '/..%2f..%2fetc%2fpasswd',
  ])('B004 the metadata of a hostile path is 404 and reflects nothing', async (path) => {
    const answer = await ask(`${gateway.rig.issuer}/.well-known/oauth-protected-resource${path}`)
    expect(answer.status).toBe(404)
    expect(answer.body).not.toMatch(/PLANTED|<script|%3Cscript|passwd|PPPP/i)
    expect(JSON.stringify(answer.headers)).not.toContain('PLANTED')
  })

  it.each(SPOOFS)('B005 nothing changes for a request with %o', async (headers) => {
    for (const path of DOCUMENTS) {
      const plain = await ask(`${gateway.rig.issuer}${path}`)
      const spoofed = await ask(`${gateway.rig.issuer}${path}`, { headers })
      expect([spoofed.status, spoofed.body]).toEqual([plain.status, plain.body])
    }
  })

  it.each(SPOOFS)('B007 the challenge does not change for a request with %o', async (headers) => {
    const [plain, spoofed] = [await ask(gateway.rig.one), await ask(gateway.rig.one, { headers })]
    expect(spoofed.status).toBe(401)
    expect(spoofed.headers['www-authenticate']).toBe(plain.headers['www-authenticate'])
  })

  it.each(['http://evil.example', 'https://evil.example', 'http://127.0.0.1:1', 'ftp://x'])(
    'B008 an absolute request target at %s is refused',
    async (origin) => {
      const { issuer } = gateway.rig
      const line = `GET ${origin}${DOCUMENTS[0]} HTTP/1.1\r\nHost: ${new URL(issuer).host}\r\nConnection: close\r\n\r\n`
      const [status] = statuses(await rawAsk(issuer, line))
      expect([400, 421]).toContain(status)
    },
  )

  it('B010 a query changes nothing, so that no cache can be poisoned', async () => {
    for (const path of DOCUMENTS) {
      const plain = await ask(`${gateway.rig.issuer}${path}`)
      for (const query of ['?issuer=https://evil.example', '?resource=x&callback=alert', '?%', '?__proto__[x]=1'])
        expect((await ask(`${gateway.rig.issuer}${path}${query}`)).body).toBe(plain.body)
    }
  })

  it('B011 no document holds anything internal', async () => {
    const { identityProvider, issuer } = gateway.rig
    for (const path of DOCUMENTS) {
      const { body, headers } = await ask(`${issuer}${path}`)
      for (const internal of [identityProvider.issuer, identityProvider.clientSecret, '/internal/mcp', 'fastify'])
        expect(body + JSON.stringify(headers)).not.toContain(internal)
      expect(headers).not.toHaveProperty('server')
      expect(headers).not.toHaveProperty('x-powered-by')
    }
  })
})

it.each(['GET', 'POST', 'DELETE', 'HEAD', 'OPTIONS', 'PATCH', 'PUT'])(
  'B013 %s without a token is a bare challenge, with a bad one error="invalid_token"',
  async (method) => {
    const bare = await ask(gateway.rig.one, { method })
    const bad = await ask(gateway.rig.one, { method, headers: { authorization: 'Bearer mgh_at_x' } })
    expect([bare.status, bad.status]).toEqual([401, 401])
    expect(bare.headers['www-authenticate']).not.toContain('error')
    expect(bad.headers['www-authenticate']).toContain('error="invalid_token"')
  },
)

it.each(['/r1/mcp', '/r1/mcp/', '/r2/mcp', '/home'])(
  'B014 the challenge of %s leads to a document about it',
  async (path) => {
    const challenge = (await ask(`${gateway.rig.issuer}${path}`)).headers['www-authenticate']
    const url = /resource_metadata="([^"]+)"/.exec(challenge ?? '')?.[1] ?? ''
    expect((await ask(url)).json().resource).toBe(`${gateway.rig.issuer}${path.replace(/\/$/, '')}`)
  },
)
