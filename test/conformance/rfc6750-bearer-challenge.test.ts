import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type Answer, type Ask, ask } from '../fixtures/http-exchange.ts'
import { obtainTokens, register } from '../fixtures/oauth-requests.ts'
import { PASSWORD_USER, type Rig, startRig } from './rig.ts'

const METHODS = ['GET', 'POST', 'DELETE', 'HEAD', 'PUT', 'PATCH', 'OPTIONS']

let rig: Rig
let token: string
beforeAll(async () => {
  rig = await startRig()
  const client = await register(rig.issuer)
  token = (await obtainTokens(rig.issuer, client, { resource: rig.one })).accessToken
  return () => rig.close()
})
beforeEach(() => {
  rig.forwarded.length = 0
})

function call(authorization: string | undefined, { headers, ...rest }: Ask = {}, url = rig.one): Promise<Answer> {
  return ask(url, { method: 'POST', ...rest, headers: { ...(authorization ? { authorization } : {}), ...headers } })
}

/** The attributes of the only challenge (RFC 9110 §11.6.1). */
function challenge(answer: Answer): Record<string, string> {
  const text = answer.headers['www-authenticate'] ?? ''
  expect(text).toMatch(/^Bearer [a-z_]+="/)
  return Object.fromEntries([...text.matchAll(/([a-z_]+)="([^"]*)"/g)].map(([, name, value]) => [name, value]))
}

describe('without a token', () => {
  it.each(METHODS)(
    '%s is answered 401 with the route’s metadata, before 405 (D-50, D-56, S-01, B013)',
    async (method) => {
      const answer = await call(undefined, { method })
      expect(answer.status).toBe(401)
      expect(challenge(answer)).toEqual({
        resource_metadata: `${rig.issuer}/.well-known/oauth-protected-resource/r1/mcp`,
        scope: 'mcp',
      })
      expect(rig.forwarded).toEqual([])
    },
  )

  it.each(['one', 'two', 'home'] as const)(
    'leads to a document about the very URL that was called, %s (D-05, D-50, B014)',
    async (name) => {
      const { resource_metadata } = challenge(await call(undefined, {}, rig[name]))
      expect((await ask(resource_metadata ?? '')).json().resource).toBe(rig[name])
    },
  )

  it.each(['initialize', 'server/discover', 'tools/list', 'ping'])('not even %s is served (S-13)', async (method) => {
    const answer = await call(undefined, { body: { jsonrpc: '2.0', id: 1, method, params: {} } })
    expect(answer.status).toBe(401)
    expect(rig.forwarded).toEqual([])
  })

  it('looks at no body: whatever is sent, the answer is 401 (S-15)', async () => {
    for (const body of ['', '{', '[]', '\0', 'x'.repeat(100_000)])
      expect((await call(undefined, { body, headers: { 'content-type': 'text/weird' } })).status).toBe(401)
  })

  it('answers in JSON, with an error that no client takes for an answer of the server (S-12)', async () => {
    const answer = await call(undefined, { headers: { accept: 'text/html' } })
    expect(answer.headers['content-type']).toMatch(/^application\/json/)
    expect(answer.json()).toEqual({ jsonrpc: '2.0', id: null, error: { code: 401, message: expect.any(String) } })
    expect(answer.headers['cache-control']).toBe('no-store')
    expect(answer.headers.location).toBeUndefined()
  })
})

describe('with a token', () => {
  it('serves it with any case of the scheme (S-02)', async () => {
    for (const scheme of ['Bearer', 'bearer', 'BEARER']) expect((await call(`${scheme} ${token}`)).status).toBe(200)
    expect(rig.forwarded).toHaveLength(3)
  })

  it.each<[string, (good: string) => string]>([
    ['unknown', () => `Bearer mgh_at_${'A'.repeat(43)}`],
    ['foreign', () => 'Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.'],
    ['a personal access token', () => 'Bearer ghp_0123456789abcdefghij0123456789abcdef'],
    ['changed in its last character', (good) => `Bearer ${good.slice(0, -1)}${good.endsWith('A') ? 'B' : 'A'}`],
    ['cut', (good) => `Bearer ${good.slice(0, -1)}`],
    ['longer', (good) => `Bearer ${good}A`],
    ['padded', (good) => `Bearer ${good}=`],
    ['in upper case', (good) => `Bearer ${good.toUpperCase()}`],
    ['two tokens', (good) => `Bearer ${good},${good}`],
    ['quoted', (good) => `Bearer "${good}"`],
    ['64 characters of junk', () => `Bearer ${'x'.repeat(64)}`],
  ])('%s: 401 with error="invalid_token" (D-52, S-03, S-04, K-02, B178)', async (_, authorization) => {
    expect((await call(`Bearer ${token}`)).status).toBe(200)
    rig.forwarded.length = 0
    const answer = await call(authorization(token))
    expect(answer.status).toBe(401)
    expect(challenge(answer)).toMatchObject({ error: 'invalid_token', error_description: expect.any(String) })
    expect(rig.forwarded).toEqual([])
  })

  it.each(['Basic YTpi', 'Token x', 'Bearer', 'Bearer ', 'DPoP x', 'BearerX y', 'Bearer\tx'])(
    'treats %j as no token at all (D-52, B175)',
    async (authorization) => {
      const answer = await call(authorization)
      expect(answer.status).toBe(401)
      expect(challenge(answer)).not.toHaveProperty('error')
      expect(rig.forwarded).toEqual([])
    },
  )

  it.each(['access_token', 'ACCESS_TOKEN', 'access%5Ftoken', '%61ccess_token', 'acces%73_token', 'x=1&access_token'])(
    'refuses %s in the query with 400, with or without a header (S-02, S-04, B175)',
    async (name) => {
      for (const authorization of [undefined, `Bearer ${token}`]) {
        const answer = await call(authorization, {}, `${rig.one}?${name}=${token}`)
        expect(answer.status).toBe(400)
        expect(answer.body).not.toContain(token)
      }
      expect(rig.forwarded).toEqual([])
    },
  )

  it('takes it neither from a form nor from a cookie (S-02)', async () => {
    const form = await call(undefined, { body: new URLSearchParams({ access_token: token }) })
    const cookie = await call(undefined, {
      headers: { cookie: `access_token=${token}; Authorization=Bearer ${token}` },
    })
    expect([form.status, cookie.status]).toEqual([401, 401])
    expect(rig.forwarded).toEqual([])
  })

  it('knows a token on its own route alone (K-01, B181)', async () => {
    const client = await register(rig.issuer)
    const other = await obtainTokens(rig.issuer, client, { resource: rig.home }, PASSWORD_USER)
    expect((await call(`Bearer ${other.accessToken}`, {}, rig.home)).status).toBe(200)
    rig.forwarded.length = 0
    for (const url of [rig.one, rig.two]) {
      const answer = await call(`Bearer ${other.accessToken}`, {}, url)
      expect(answer.status).toBe(401)
      expect(challenge(answer)).toMatchObject({
        error: 'invalid_token',
        resource_metadata: url.replace(rig.issuer, `${rig.issuer}/.well-known/oauth-protected-resource`),
      })
    }
    expect(rig.forwarded).toEqual([])
  })

  it('answers other methods 405 only then, and says which there are (D-56, P-74)', async () => {
    for (const method of ['PUT', 'PATCH', 'OPTIONS']) {
      const answer = await call(`Bearer ${token}`, { method })
      expect(answer.status).toBe(405)
      expect(answer.headers.allow?.split(', ').toSorted()).toEqual(['DELETE', 'GET', 'POST'])
    }
    expect(rig.forwarded).toEqual([])
  })
})

describe('the form of the challenge', () => {
  it('is one line that simple parsers can read: each attribute once, no escapes, no commas within (D-54, D-55)', async () => {
    for (const authorization of [undefined, `Bearer ${'x'.repeat(10)}`]) {
      const text = (await call(authorization)).headers['www-authenticate'] ?? ''
      const attributes = text.replace(/^Bearer /, '').split(', ')
      for (const attribute of attributes) expect(attribute).toMatch(/^[a-z_]+="[\x20-\x21\x23-\x5b\x5d-\x7e]+"$/)
      expect(new Set(attributes.map((one) => one.split('=')[0])).size).toBe(attributes.length)
      for (const attribute of attributes) expect(attribute).not.toContain(',')
    }
  })

  it('can be read by web pages that may call the route, on errors too (D-57)', async () => {
    const { headers } = await call(undefined, { headers: { origin: 'http://localhost:6274' } })
    expect(headers['access-control-allow-origin']).toBe('http://localhost:6274')
    for (const name of ['WWW-Authenticate', 'Mcp-Session-Id', 'MCP-Protocol-Version'])
      expect(headers['access-control-expose-headers']).toContain(name)
  })
})
