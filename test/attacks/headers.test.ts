import { describe, expect, it } from 'vitest'
import { PASSWORD_USER, SHARED_CREDENTIAL } from '../conformance/rig.ts'
import { callRoute, obtainTokens, register } from '../fixtures/oauth-requests.ts'
import { underAttack } from './oracles.ts'
import { rawRequests } from './raw-requests.ts'

const gateway = underAttack()
const { post, honest, send, token } = rawRequests(gateway)

/** Names of the headers that reached the MCP server, as they came. */
function arrived(): string[] {
  return gateway.rig.forwarded.flatMap(({ rawHeaders }) => rawHeaders.filter((_, index) => index % 2 === 0))
}

it('P-10 the positive twin: harmless headers arrive', async () => {
  expect(
    await post('/r1/mcp', 'X-Anything: kept\r\nMcp-Param-Region: EU\r\nMCP-Protocol-Version: 2025-11-25\r\n'),
  ).toEqual([200])
  expect(gateway.rig.forwarded[0]?.headers).toMatchObject({
    'x-anything': 'kept',
    'mcp-param-region': 'EU',
    'mcp-protocol-version': '2025-11-25',
  })
})

it.each([
  'X_Forwarded_User',
  'X-Forwarded_User',
  'AUTHORIZATION_',
  'Mcp_Session_Id',
  'X_User',
  'x.user',
  'Authorization.',
  'X!User',
  'Remote_User',
])('B199 %s, which somebody could read as another name, does not arrive', async (name) => {
  const [status] = await post('/r1/mcp', `${name}: spoofed\r\n`)
  expect([200, 400]).toContain(status)
  expect(JSON.stringify(gateway.rig.forwarded)).not.toContain('spoofed')
})

const IDENTITY = [
  'X-Forwarded-User', 'X-Forwarded-Email', 'X-Forwarded-Groups', 'X-Forwarded-Preferred-Username', 'Remote-User',
  'X-Remote-User', 'X-Auth-Request-User', 'X-Auth-Request-Email', 'X-User', 'X-User-Id', 'X-Real-IP', 'X-Forwarded-For',
  'X-Forwarded-Host', 'X-Forwarded-Proto', 'Forwarded', 'X-Original-URL', 'X-WebAuth-User', 'X-Authenticated-User',
  'X-Consumer-Username', 'True-Client-IP', 'CF-Connecting-IP', 'X-MS-Client-Principal', 'X-Amzn-Oidc-Identity',
  'X-Goog-Authenticated-User-Email', 'Tailscale-User-Login', 'X-SSL-Client-Verify', 'Client-Cert', 'Cookie', 'DPoP',
  'Proxy-Authorization', 'X-Gatehouse-User',
] // biome-ignore format: a plain list reads best in lines

describe('identity', () => {
  it.each(IDENTITY)('B200 %s does not arrive, sent once, twice or joined', async (name) => {
    for (const lines of [
      `${name}: spoofed\r\n`,
      `${name}: a\r\n${name}: spoofed\r\n`,
      `${name.toUpperCase()}: a, spoofed\r\n`,
    ])
      expect([[200], [400]]).toContainEqual(await post('/r1/mcp', lines))
    expect(JSON.stringify(gateway.rig.forwarded)).not.toContain('spoofed')
  })

  it('B200 the header that a route injects has the gateway’s value alone', async () => {
    const client = await register(gateway.rig.issuer)
    const { accessToken } = await obtainTokens(
      gateway.rig.issuer,
      client,
      { resource: gateway.rig.home },
      PASSWORD_USER,
    )
    for (const name of ['X-User', 'x-user', 'X-USER'])
      expect((await callRoute(gateway.rig.home, accessToken, { [name]: 'admin' })).status).toBe(200)
    for (const { rawHeaders } of gateway.rig.forwarded) {
      const values = rawHeaders.flatMap((name, index) =>
        name.toLowerCase() === 'x-user' ? [rawHeaders[index + 1]] : [],
      )
      expect(values).toEqual(['carol'])
    }
  })

  it('B193 what Connection nominates cannot remove what the gateway injects', async () => {
    expect(await post('/r1/mcp', 'Connection: authorization, host, x-user, via\r\n')).toEqual([200])
    expect(gateway.rig.forwarded[0]?.headers.authorization).toBe(`Bearer ${SHARED_CREDENTIAL}`)
  })
})

it.each(['X-Internal-Auth', 'X-Gatehouse-Internal', 'X-Debug', 'X-Dev-User', 'mcp-init-host', 'X-Router-Key'])(
  'B202 %s opens nothing from outside',
  async (name) => {
    const { issuer } = gateway.rig
    const answer = await send(
      `POST /r1/mcp HTTP/1.1\r\nHost: ${new URL(issuer).host}\r\n${name}: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
    )
    expect(answer).toMatch(/^HTTP\/1\.1 401 /)
  },
)

it.each([
  'X-Forwarded-Uri: /r2/mcp',
  'X-Forwarded-Path: /r2/mcp',
  'X-Forwarded-Prefix: /r2',
  'X-Forwarded-Method: DELETE',
  'X-Original-URL: /r2/mcp',
  'X-Rewrite-URL: /r2/mcp',
  'X-HTTP-Method-Override: DELETE',
  'X-HTTP-Method: DELETE',
  'X-Method-Override: DELETE',
])('B203 %s changes neither route nor method', async (line) => {
  expect(await post('/r1/mcp', `${line}\r\n`)).toEqual([200])
  expect(gateway.rig.forwarded.map(({ server, method, url }) => [server, method, url])).toEqual([
    ['one', 'POST', '/internal/mcp'],
  ])
  expect(arrived().map((name) => name.toLowerCase())).not.toContain(line.split(':')[0]?.toLowerCase())
})

it.each(['1.2.3.4, 5.6.7.8', '[::1%eth0]:80', 'unknown', '"', 'x'.repeat(8000)])(
  'B206 X-Forwarded-For: %.20s is garbage and harmless',
  async (value) => {
    expect(await post('/r1/mcp', `X-Forwarded-For: ${value}\r\n`)).toEqual([200])
  },
)

it('B208 what stands behind a thousand header lines is refused with them', async () => {
  const filler = Array.from({ length: 1100 }, (_, index) => `X${index}: 1\r\n`).join('')
  for (const line of [
    'Origin: https://evil.example',
    'X-Forwarded-User: admin',
    'Cookie: a=b',
    'Authorization: Bearer x',
  ])
    expect(await post('/r1/mcp', `${filler}${line}\r\n`)).toEqual([431])
  const few = Array.from({ length: 80 }, (_, index) => `X${index}: 1\r\n`).join('')
  expect(await post('/r1/mcp', few)).toEqual([200])
})

it.each([
  ['Origin', 'http://localhost:1', 'https://evil.example'],
  ['Mcp-Session-Id', 'a', 'b'],
  ['MCP-Protocol-Version', '2025-11-25', '2026-07-28'],
  ['Mcp-Method', 'tools/list', 'tools/call'],
  ['Mcp-Name', 'safe', 'danger'],
  ['Content-Type', 'application/json', 'text/plain'],
  ['Last-Event-ID', '1', '2'],
  ['Host', 'a', 'evil.example'],
  ['Cookie', 'a=1', 'a=2'],
])('B209 two lines of %s are refused', async (name, one, other) => {
  if (name !== 'Host') expect([200, 403, 404]).toContain((await post('/r1/mcp', `${name}: ${one}\r\n`))[0])
  const before = gateway.rig.forwarded.length
  const lines = name === 'Host' ? `Host: ${other}\r\n` : `${name}: ${one}\r\n${name.toLowerCase()}: ${other}\r\n`
  expect(await post('/r1/mcp', lines)).toEqual([400])
  expect(gateway.rig.forwarded).toHaveLength(before)
})

it.each([
  '{"name":"safe","name":"danger"}',
  '[{"id":1},{"id":2}]',
  '\ufeff{}',
  '{"id":123456789012345678901234567890}',
  '{} trailing',
  '{"a":1e400}',
])('B214 the body %j arrives byte for byte', async (body) => {
  const bytes = Buffer.from(body).toString('latin1')
  const head = `POST /r1/mcp HTTP/1.1\r\n${await honest()}Connection: close\r\nContent-Type: application/json\r\n`
  await send(`${head}Content-Length: ${bytes.length}\r\n\r\n${bytes}`)
  expect(gateway.rig.forwarded.map((request) => request.body)).toEqual([body])
})

it('B175 a token in a header of another name arrives only if the client chose to send it there', async () => {
  await callRoute(gateway.rig.one, await token())
  expect(JSON.stringify(gateway.rig.forwarded)).not.toContain(await token())
})
