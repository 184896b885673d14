import { expect, it } from 'vitest'
import { ask, rawAsk, statuses } from '../fixtures/http-exchange.ts'
import { REDIRECT_URI } from '../fixtures/oauth-requests.ts'
import { underAttack } from './oracles.ts'
import { rawRequests } from './raw-requests.ts'

const gateway = underAttack()
const { honest, post, send, token } = rawRequests(gateway)

/** Node's bound for a request line with all header lines. */
const HEADER_BYTES = 16 * 1024

it('B272 header lines and addresses of nearly 16 KB pass; what is larger is 431 as JSON, and reaches nobody', async () => {
  const others = Buffer.byteLength(await honest()) + 200
  const fits = 'x'.repeat(HEADER_BYTES - others)
  expect(await post('/r1/mcp', `X-Large: ${fits}\r\n`)).toEqual([200])
  expect(await post(`/r1/mcp?q=${fits}`)).toEqual([200])
  expect(gateway.rig.forwarded).toHaveLength(2)

  const large = 'x'.repeat(17 * 1024)
  for (const request of [
    `POST /r1/mcp HTTP/1.1\r\n${await honest()}X-Large: ${large}\r\n\r\n`,
    `POST /r1/mcp?q=${large} HTTP/1.1\r\n${await honest()}\r\n`,
    `POST /${large} HTTP/1.1\r\n${await honest()}\r\n`,
  ]) {
    const text = await send(request)
    expect(statuses(text)).toEqual([431])
    expect(text).toMatch(/content-type: application\/json/i)
    expect(text).toMatch(/cache-control: no-store/i)
    expect(JSON.parse(text.slice(text.indexOf('\r\n\r\n') + 4))).toMatchObject({ error: 'invalid_request' })
  }
  expect(gateway.rig.forwarded).toHaveLength(2)
})

it('C07 JSON that is nested as deep as it can be ends nothing: it is refused, or no business of ours', async () => {
  const { rig } = gateway
  for (const deep of [
    '['.repeat(60_000),
    `${'['.repeat(30_000)}${']'.repeat(30_000)}`,
    `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`,
  ]) {
    const nested = deep.endsWith(']') || deep.endsWith('}') ? `{"redirect_uris":["${REDIRECT_URI}"],"x":${deep}}` : deep
    const headers = { 'content-type': 'application/json' }
    const registered = await ask(`${rig.issuer}/register`, { method: 'POST', headers, body: nested })
    expect([201, 400]).toContain(registered.status)
    const answer = await ask(rig.one, { body: deep, headers: { ...headers, authorization: `Bearer ${await token()}` } })
    expect(answer.status).toBe(200)
  }
})

/** Just below the bound; what a regular expression that goes back over its input would need ages for. */
const LONG = 15_000
const NASTY = {
  'one letter': 'a'.repeat(LONG),
  'letters and an end that does not fit': `${'a'.repeat(LONG)}!`,
  spaces: `a${' '.repeat(LONG)}b`,
  commas: ','.repeat(LONG),
  semicolons: 'a=b;'.repeat(LONG / 4),
  'opening quotes': '"\\'.repeat(LONG / 2),
  dots: '1.'.repeat(LONG / 2),
  colons: ':'.repeat(LONG),
}

it.each([
  'Accept',
  'User-Agent',
  'Cookie',
  'X-Forwarded-For',
  'Forwarded',
  'Content-Type',
  'Authorization',
  'Origin',
  'Via',
])('B277 %s may hold anything: it costs nothing to speak of', async (name) => {
  for (const value of Object.values(NASTY)) {
    const head = `POST /r1/mcp HTTP/1.1\r\nHost: ${new URL(gateway.rig.issuer).host}\r\nConnection: close\r\n`
    const text = await rawAsk(gateway.rig.address, `${head}Content-Length: 2\r\n${name}: ${value}\r\n\r\n{}`)
    expect(statuses(text)[0]).toBeGreaterThanOrEqual(400)
  }
})

it.each(['scope', 'redirect_uri', 'client_id', 'resource', 'state', 'code_challenge'])(
  'B277 the parameter %s may hold anything: it costs nothing to speak of',
  async (name) => {
    for (const value of Object.values(NASTY)) {
      const query = new URLSearchParams({ client_id: 'static-public', [name]: value.slice(0, 5000) })
      expect((await ask(`${gateway.rig.issuer}/authorize?${query}`)).status).toBeLessThan(500)
    }
  },
)

it.each(['scope', 'code', 'refresh_token', 'code_verifier', 'client_secret'])(
  'B277 the form field %s may hold 20 KB of anything: it costs nothing to speak of',
  async (name) => {
    for (const value of Object.values(NASTY)) {
      const body = new URLSearchParams({ client_id: 'static-public', grant_type: 'authorization_code' })
      body.set(name, value.slice(0, 5000).repeat(4))
      expect((await ask(`${gateway.rig.issuer}/token`, { body })).status).toBeLessThan(500)
    }
  },
)

it('B277 registered metadata may hold anything: it costs nothing to speak of', async () => {
  for (const value of Object.values(NASTY)) {
    for (const body of [
      { client_name: value, redirect_uris: ['http://127.0.0.1:9/cb'] },
      { client_name: 'x', redirect_uris: [`https://${value}/cb`] },
      { client_name: 'x', redirect_uris: [`https://example.com/${value}`] },
      { client_name: 'x', redirect_uris: ['http://127.0.0.1:9/cb'], scope: value },
    ])
      expect((await ask(`${gateway.rig.issuer}/register`, { body })).status).toBeLessThan(500)
  }
})
