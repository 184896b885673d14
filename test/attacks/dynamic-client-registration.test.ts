import { describe, expect, it } from 'vitest'
import { type Answer, ask } from '../fixtures/http-exchange.ts'
import { authorizeUrl } from '../fixtures/oauth-requests.ts'
import { underAttack } from './oracles.ts'

const gateway = underAttack()
const GOOD = { redirect_uris: ['https://app.example/cb'] }

function post(body: string | Record<string, unknown>, headers = {}): Promise<Answer> {
  return ask(`${gateway.rig.issuer}/register`, { method: 'POST', body, headers })
}

it('B017 the positive twin: an honest registration is 201', async () => {
  expect((await post(GOOD)).status).toBe(201)
})

it.each([
  'null',
  '[]',
  '"x"',
  '1',
  'true',
  '{}',
  '{"redirect_uris":null}',
  '{"redirect_uris":{}}',
  '{"redirect_uris":[{}]}',
])('B017 the body %s registers nothing', async (body) => {
  const answer = await post(body, { 'content-type': 'application/json' })
  expect(answer.status).toBe(400)
  expect(answer.json().error).toMatch(/^invalid_(redirect_uri|client_metadata)$/)
})

it.each([
  'http://app.example/cb',
  'http://127.0.0.1.nip.io/cb',
  'http://localhost.evil.example/cb',
  'http://127.0.0.1@evil.example/',
  'http://0.0.0.0/',
  'http://[::]/',
  'http://[::ffff:127.0.0.1]/',
  'http://2130706433/',
])('B019 %s is no redirect URI', async (uri) => {
  expect((await post({ redirect_uris: [uri] })).json().error).toBe('invalid_redirect_uri')
})

it.each([
  'https://app.example/cb#',
  'https://app.example/cb#x',
  'https://a@app.example/cb',
  'https://*.example/cb',
  'https://app.example\\cb',
  'https://app.example/c\tb',
  'https://app.example/\u0000',
  'https://xn--app.example/ cb',
  'https://аpp.example/cb',
  'https://app.example/x/../cb',
  'https://app.example/x/%2e%2e/cb',
  `https://app.example/${'x'.repeat(2000)}`,
])('B020 %j is no redirect URI', async (uri) => {
  expect((await post({ redirect_uris: [uri] })).json().error).toBe('invalid_redirect_uri')
})

it('B020 what is accepted is echoed and stored byte for byte', async () => {
  const uri = 'https://app.example:443/a%20b/%C3%A9?x=%2F&y=a+b'
  const answer = await post({ redirect_uris: [uri] })
  expect(answer.json().redirect_uris).toEqual([uri])
  const client = { clientId: String(answer.json().client_id), redirectUri: uri }
  expect((await ask(authorizeUrl(gateway.rig.issuer, client))).status).toBe(200)
  const normal = { ...client, redirectUri: new URL(uri).href }
  expect((await ask(authorizeUrl(gateway.rig.issuer, normal))).status).toBe(400)
})

describe('JSON that pollutes or contradicts itself', () => {
  it.each([
    '{"__proto__":{"polluted":true},"redirect_uris":["https://app.example/cb"]}',
    '{"constructor":{"prototype":{"polluted":true}},"redirect_uris":["https://app.example/cb"]}',
    '{"\\u005f_proto__":{"polluted":true},"redirect_uris":["https://app.example/cb"]}',
  ])('B022 %s pollutes nothing', async (body) => {
    await post(body, { 'content-type': 'application/json' })
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
    expect((await post(GOOD)).status).toBe(201)
  })

  it('B022 of two redirect_uris the one that is echoed is the one that counts', async () => {
    const body = '{"redirect_uris":["https://one.example/"],"redirect_uris":["https://two.example/"]}'
    const answer = await post(body, { 'content-type': 'application/json' })
    if (answer.status === 400) return
    const [echoed] = answer.json().redirect_uris as string[]
    const clientId = String(answer.json().client_id)
    for (const redirectUri of ['https://one.example/', 'https://two.example/']) {
      const { status } = await ask(authorizeUrl(gateway.rig.issuer, { clientId, redirectUri }))
      expect(status).toBe(redirectUri === echoed ? 200 : 400)
    }
  })
})

it('B023 a client chooses nothing that is the server’s', async () => {
  const wish = {
    client_id: 'static-public',
    client_secret: 'chosen-by-the-client',
    client_id_issued_at: 1,
    registration_access_token: 'chosen-by-the-client',
    trusted: true,
    skip_consent: true,
    first_party: true,
    origin: 'static',
    secret_hash: 'x',
    created_at: 1,
  }
  const answer = await post({ ...GOOD, ...wish })
  expect(answer.status).toBe(201)
  expect(answer.json().client_id).not.toBe('static-public')
  expect(answer.body).not.toContain('chosen-by-the-client')
  for (const name of ['trusted', 'skip_consent', 'first_party', 'origin', 'secret_hash', 'created_at'])
    expect(answer.json()).not.toHaveProperty(name)
  const client = { clientId: String(answer.json().client_id), redirectUri: GOOD.redirect_uris[0] ?? '' }
  const page = await ask(authorizeUrl(gateway.rig.issuer, client))
  expect(page.body).toContain('name="decision"')
  expect(page.body).not.toContain('by your administrator')
})

it.each<[string, Record<string, unknown>]>([
  ['an unknown auth method', { token_endpoint_auth_method: 'tls_client_auth' }],
  ['grant types that are not served', { grant_types: ['password', 'implicit', 'client_credentials'] }],
  ['response_type token', { response_types: ['token'] }],
])('B025 %s is refused, not half-registered', async (_, wish) => {
  expect((await post({ ...GOOD, ...wish })).json().error).toBe('invalid_client_metadata')
})

it('B025 a public client that sends a secret of its own gets none', async () => {
  const answer = await post({ ...GOOD, token_endpoint_auth_method: 'none', client_secret: 'chosen-by-the-client' })
  expect([answer.status, answer.json().client_secret]).toEqual([201, undefined])
})

it.each(
  ['client_uri', 'logo_uri', 'policy_uri', 'tos_uri', 'jwks_uri', 'logo_uri#x', 'client_uri#ja'].flatMap((name) =>
    [
      'javascript:alert(1)',
      'http://app.example/',
      'https://127.0.0.1/',
      'https://169.254.169.254/',
      'https://[::1]/',
    ].map((value) => [name, value]),
  ),
)('B026 %s may not be %s', async (name, value) => {
  expect((await post({ ...GOOD, [name]: value })).json().error).toBe('invalid_client_metadata')
})

it.each([
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  '<svg/onload=alert(1)>',
  '{{7*7}}{%7*7%}<%=7*7%>',
  '\u202eevil\u2066\u200b',
  'a\n[INFO] {"level":30,"msg":"listening"}\r\n',
  '\u001b[2J\u001b[31mred',
  "');alert(1)//",
  '&lt;b&gt;&#x3c;',
])('B028 the name %j is inert text on the page and one line in the log', async (name) => {
  const before = gateway.rig.log().length
  const answer = await post({ ...GOOD, client_name: name })
  expect(answer.status).toBe(201)
  for (const line of gateway.rig.log().slice(before).trimEnd().split('\n')) expect(() => JSON.parse(line)).not.toThrow()
  const client = { clientId: String(answer.json().client_id), redirectUri: GOOD.redirect_uris[0] ?? '' }
  const { body } = await ask(authorizeUrl(gateway.rig.issuer, client))
  expect(body).not.toMatch(/<script|<img|<svg|[\u202e\u2066\u200b]/)
  expect(body).not.toContain('\u001b')
  if (name.includes('7*7')) expect(body).toContain('{{7*7}}')
})

it.each(['client_name', 'client_uri', 'scope', 'software_id', 'client_name#de'])(
  'B028 NUL and lone surrogates in %s are 400, not a failure of the database',
  async (name) => {
    for (const value of ['a\0b', 'a\ud800b', '\udc00'])
      expect((await post({ ...GOOD, [name]: value })).json().error).toBe('invalid_client_metadata')
  },
)

it.each<[string, Record<string, string>]>([
  ['text/plain', { 'content-type': 'text/plain' }],
  ['no type', {}],
  ['a tab in the type', { 'content-type': 'application/json\ta' }],
  ['multipart', { 'content-type': 'multipart/form-data; boundary=x' }],
  ['a form', { 'content-type': 'application/x-www-form-urlencoded' }],
  ['gzip', { 'content-type': 'application/json', 'content-encoding': 'gzip' }],
])('B029 %s meets the same rules', async (_, headers) => {
  const hostile = await post('{"redirect_uris":["javascript:alert(1)"]}', headers)
  expect([400, 415]).toContain(hostile.status)
  expect(hostile.headers['content-type']).toMatch(/^application\/json/)
})

it('B029 compressed and bottomless bodies are refused', async () => {
  const { gzipSync } = await import('node:zlib')
  const bomb = gzipSync(Buffer.alloc(5_000_000, ' '))
  const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' }
  expect((await ask(`${gateway.rig.issuer}/register`, { body: bomb, headers })).status).toBe(400)
  const deep = '['.repeat(30_000) + ']'.repeat(30_000)
  expect((await post(deep, { 'content-type': 'application/json' })).status).toBe(400)
})

it('B035 the same metadata makes two clients, and an id alone reads and changes nothing', async () => {
  const [one, two] = [await post(GOOD), await post(GOOD)]
  expect(one.json().client_id).not.toBe(two.json().client_id)
  const url = `${gateway.rig.issuer}/register/${one.json().client_id}`
  for (const method of ['GET', 'PUT', 'DELETE'])
    expect([401, 404, 405]).toContain((await ask(url, { method, ...(method === 'PUT' ? { body: GOOD } : {}) })).status)
  const client = { clientId: String(one.json().client_id), redirectUri: GOOD.redirect_uris[0] ?? '' }
  expect((await ask(authorizeUrl(gateway.rig.issuer, client))).status).toBe(200)
})
