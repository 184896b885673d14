import { describe, expect, it } from 'vitest'
import { PASSWORD_USER, SHARED_CREDENTIAL } from '../conformance/rig.ts'
import { ask, rawAsk, statuses } from '../fixtures/http-exchange.ts'
import { callRoute, obtainTokens, register } from '../fixtures/oauth-requests.ts'
import { underAttack } from './oracles.ts'

const gateway = underAttack()

let obtained: Promise<string> | undefined
/** A token for route one; the same for all cases. */
function token(): Promise<string> {
  obtained ??= register(gateway.rig.issuer).then(
    async (client) => (await obtainTokens(gateway.rig.issuer, client, { resource: gateway.rig.one })).accessToken,
  )
  return obtained
}

/** A raw POST to route one with these header lines. */
async function raw(lines: string, target = '/r1/mcp'): Promise<number[]> {
  const { issuer } = gateway.rig
  const head = `POST ${target} HTTP/1.1\r\nHost: ${new URL(issuer).host}\r\nConnection: close\r\nContent-Length: 2\r\n`
  return statuses(await rawAsk(issuer, `${head}${lines}\r\n{}`))
}

it('B175 the positive twin: the header opens the route', async () => {
  for (const scheme of ['Bearer', 'bearer', 'BEARER'])
    expect(await raw(`Authorization: ${scheme} ${await token()}\r\n`)).toEqual([200])
})

describe('a token anywhere else, or in another form', () => {
  it.each([
    'access_token',
    'ACCESS_TOKEN',
    '%61%63cess_token',
    'access%5ftoken',
    'a=1&access_token',
    'a=1;access_token',
  ])('B175 ?%s= is refused', async (name) =>
    expect((await ask(`${gateway.rig.one}?${name}=${await token()}`, { method: 'POST' })).status).toBe(400),
  )

  it('B175 a form, a cookie and JSON open nothing', async () => {
    const good = await token()
    const answers = [
      await ask(gateway.rig.one, { body: new URLSearchParams({ access_token: good }) }),
      await ask(gateway.rig.one, { method: 'POST', headers: { cookie: `token=${good}; access_token=${good}` } }),
      await ask(gateway.rig.one, { body: { access_token: good } }),
      await ask(gateway.rig.one, { method: 'POST', headers: { 'x-authorization': `Bearer ${good}` } }),
      await ask(gateway.rig.one, { method: 'POST', headers: { 'proxy-authorization': `Bearer ${good}` } }),
    ]
    expect(answers.map(({ status }) => status)).toEqual([401, 401, 401, 401, 401])
  })

  it.each<[string, (good: string) => string]>([
    ['Basic', (good) => `Basic ${good}`],
    ['Token', (good) => `Token ${good}`],
    ['no scheme', (good) => good],
    ['two tokens', (good) => `Bearer ${good},${good}`],
    ['two tokens with a space', (good) => `Bearer ${good} ${good}`],
    ['a tab', (good) => `Bearer\t${good}`],
    ['nothing', () => ''],
    ['the scheme alone', () => 'Bearer'],
    ['quotes', (good) => `Bearer "${good}"`],
    ['%00', (good) => `Bearer ${good}%00`],
    ['percent-encoding', (good) => `Bearer %6d${good.slice(1)}`],
    ['8 KB', (good) => `Bearer ${good}${'A'.repeat(8000)}`],
    ['a scheme within', (good) => `Bearer Bearer ${good}`],
  ])('B175 %s opens nothing', async (_, spoil) => {
    expect(await raw(`Authorization: ${spoil(await token())}\r\n`)).toEqual([401])
  })

  it.each(['\0', '\x7f\0', '\x01'])('B175 the control character %j is not even a header', async (character) => {
    expect(await raw(`Authorization: Bearer ${await token()}${character}\r\n`)).not.toContain(200)
  })

  it('B175 64 KB are too much', async () => {
    const [status] = await raw(`Authorization: Bearer ${'A'.repeat(65_536)}\r\n`)
    expect([400, 431]).toContain(status)
  })
})

describe('two answers to one question', () => {
  it('B176 two Authorization headers are refused, whichever is good', async () => {
    const good = `Authorization: Bearer ${await token()}\r\n`
    const bad = 'Authorization: Bearer junk\r\n'
    for (const lines of [good + bad, bad + good, good + good, good + good.toLowerCase()])
      expect(await raw(lines)).toEqual([400])
  })

  it('B176 a header behind a thousand others is not read', async () => {
    const filler = Array.from({ length: 1100 }, (_, index) => `X-${index}: 1\r\n`).join('')
    const [status] = await raw(`${filler}Authorization: Bearer ${await token()}\r\n`)
    expect([400, 431]).toContain(status)
  })
})

it('B178 no change of a single character leaves a token good', async () => {
  const good = await token()
  const changed = [8, 20, 49].flatMap((at) =>
    ['A', 'z', '-', '_'].map((character) => good.slice(0, at) + character + good.slice(at + 1)),
  )
  const variants = [
    ...changed,
    good.slice(0, -1),
    `${good}A`,
    `${good}=`,
    good.toUpperCase(),
    good.replace('mgh_at_', 'mgh_ac_'),
  ]
  for (const variant of variants.filter((variant) => variant !== good))
    expect((await callRoute(gateway.rig.one, variant)).status).toBe(401)
})

it.each(['two', 'home'] as const)('B181 a token for route one is unknown at %s', async (other) => {
  expect((await callRoute(gateway.rig.one, await token())).status).toBe(200)
  expect((await callRoute(gateway.rig[other], await token())).status).toBe(401)
})

it.each(['/r1/mcp2', '/r1/mcpx', '/R1/mcp', '/r1', '/', '/r1/mcp/x', '/r1/mcp.json'])(
  'B181 %s is no part of it',
  async (path) => {
    expect((await callRoute(`${gateway.rig.issuer}${path}`, await token())).status).toBe(404)
  },
)

describe('users', () => {
  it('B190 many calls of two users at once: each arrives as its own user', async () => {
    const { rig } = gateway
    const client = await register(rig.issuer)
    const alice = await obtainTokens(rig.issuer, client, { resource: rig.two })
    const carol = await obtainTokens(rig.issuer, client, { resource: rig.home }, PASSWORD_USER)
    await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        index % 2 === 0
          ? callRoute(`${rig.two}?user=alice`, alice.accessToken)
          : callRoute(`${rig.home}?user=carol`, carol.accessToken),
      ),
    )
    expect(rig.forwarded).toHaveLength(200)
    for (const { url, headers } of rig.forwarded)
      expect(headers['x-user']).toBe(url.endsWith('user=alice') ? 'alice@example.com' : 'carol')
  })
})

it('B193 the MCP server sees its own credential and nothing of the client’s', async () => {
  const good = await token()
  const headers = {
    cookie: 'session=planted',
    'proxy-authorization': 'Basic planted',
    dpop: 'planted',
    'x-api-key': 'planted',
    'x-region': 'kept',
  }
  expect((await callRoute(gateway.rig.one, good, headers)).status).toBe(200)
  const [seen] = gateway.rig.forwarded
  expect(seen?.headers.authorization).toBe(`Bearer ${SHARED_CREDENTIAL}`)
  expect(JSON.stringify(seen)).not.toContain('planted')
  expect(JSON.stringify(seen)).not.toContain(good)
  expect(seen?.headers['x-region']).toBe('kept')
})

it('B193 the credential of the MCP server never comes back to the client', async () => {
  const answer = await callRoute(gateway.rig.one, await token())
  expect(JSON.stringify([answer.headers, answer.body])).not.toContain(SHARED_CREDENTIAL)
})
