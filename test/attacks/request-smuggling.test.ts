import { describe, expect, it } from 'vitest'
import { PASSWORD_USER } from '../conformance/rig.ts'
import { statuses } from '../fixtures/http-exchange.ts'
import { obtainTokens, register } from '../fixtures/oauth-requests.ts'
import { underAttack } from './oracles.ts'
import { rawRequests } from './raw-requests.ts'

const gateway = underAttack()
const { honest, send } = rawRequests(gateway)
const SMUGGLED = 'POST /r1/mcp?smuggled HTTP/1.1\r\n'

async function framed(lines: string, body: string): Promise<number[]> {
  return statuses(await send(`POST /r1/mcp HTTP/1.1\r\n${await honest()}Connection: close\r\n${lines}\r\n${body}`))
}

it('B230 the positive twins: a length, or chunks', async () => {
  expect(await framed('Content-Length: 2\r\n', '{}')).toEqual([200])
  expect(await framed('Transfer-Encoding: chunked\r\n', '2\r\n{}\r\n0\r\n\r\n')).toEqual([200])
  expect(gateway.rig.forwarded.map(({ body }) => body)).toEqual(['{}', '{}'])
})

it.each<[string, string]>([
  ['length and chunks', 'Content-Length: 4\r\nTransfer-Encoding: chunked\r\n'],
  ['chunks and length', 'Transfer-Encoding: chunked\r\nContent-Length: 4\r\n'],
  ['xchunked', 'Transfer-Encoding: xchunked\r\n'],
  ['chunked, identity', 'Transfer-Encoding: chunked, identity\r\n'],
  ['identity, chunked', 'Transfer-Encoding: identity, chunked\r\n'],
  ['gzip, chunked', 'Transfer-Encoding: gzip, chunked\r\n'],
  ['chunked twice', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n'],
  ['two codings', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n'],
  ['a vertical tab', 'Transfer-Encoding: chunked\x0b\r\n'],
  ['a space before the colon', 'Transfer-Encoding : chunked\r\n'],
  ['a folded line', 'Transfer-Encoding:\r\n chunked\r\n'],
  ['two lengths', 'Content-Length: 4\r\nContent-Length: 4\r\n'],
  ['two different lengths', 'Content-Length: 4\r\nContent-Length: 5\r\n'],
  ['a list of lengths', 'Content-Length: 4, 4\r\n'],
  ['a signed length', 'Content-Length: +4\r\n'],
  ['a hexadecimal length', 'Content-Length: 0x4\r\n'],
  ['a negative length', 'Content-Length: -1\r\n'],
  ['a length beyond all numbers', 'Content-Length: 99999999999999999999\r\n'],
  ['a line feed alone', 'X: a\nContent-Length: 4\r\n'],
  ['a carriage return alone', 'X: a\rContent-Length: 4\r\n'],
  ['a NUL', 'X: a\0b\r\nContent-Length: 4\r\n'],
  ['a name with a space', 'Content Length: 4\r\n'],
  ['no name', ': x\r\nContent-Length: 4\r\n'],
])('B230 %s is refused, and the connection ends (P-15, P-31)', async (_, lines) => {
  const got = await framed(lines, `0\r\n\r\n${SMUGGLED}${await honest()}Content-Length: 0\r\n\r\n`)
  // Node's parser may answer the rest of the bytes once more before the connection ends.
  expect([[400], [400, 400]]).toContainEqual(got)
  expect(gateway.rig.forwarded).toEqual([])
})

it.each([
  'g\r\n{}\r\n0\r\n\r\n',
  '-1\r\n{}\r\n0\r\n\r\n',
  '2;\n{}\r\n0\r\n\r\n',
  '2\r\n{}0\r\n\r\n',
  '2\n{}\r\n0\r\n\r\n',
  '0x2\r\n{}\r\n0\r\n\r\n',
])('B230 the chunk %j smuggles nothing', async (body) => {
  const got = await framed(
    'Transfer-Encoding: chunked\r\n',
    `${body}${SMUGGLED}${await honest()}Content-Length: 0\r\n\r\n`,
  )
  expect(got).not.toContain(200)
  expect(gateway.rig.forwarded.map(({ url }) => url)).not.toContain('/internal/mcp?smuggled')
})

it.each(['GET', 'DELETE'])('B232 the body of a %s is neither forwarded nor read as a request', async (method) => {
  const inner = `${SMUGGLED}${await honest()}Content-Length: 0\r\n\r\n`
  const head = `${method} /r1/mcp HTTP/1.1\r\n${await honest()}Connection: close\r\nContent-Length: ${inner.length}\r\n\r\n`
  expect(statuses(await send(head + inner))).toEqual([200])
  expect(gateway.rig.forwarded.map(({ method, url, body }) => [method, url, body])).toEqual([
    [method, '/internal/mcp', ''],
  ])
})

describe('other versions of HTTP', () => {
  it.each(['HTTP/2.0', 'HTTP/9.9', 'HTTP/1.2', 'HTTP/0.9', 'HTTP/1', 'http/1.1', 'HTTP/1.1 x', 'ICE/1.0'])(
    'B233 %s is refused',
    async (version) => {
      const answer = await send(
        `POST /r1/mcp ${version}\r\n${await honest()}Connection: close\r\nContent-Length: 0\r\n\r\n`,
      )
      expect(answer).toMatch(/^HTTP\/1\.1 (400|505) /)
      expect(gateway.rig.forwarded).toEqual([])
    },
  )

  it('B233 a line without version, HTTP/1.0 without Host and the preface of HTTP/2 are refused', async () => {
    for (const bytes of ['GET /r1/mcp\r\n\r\n', 'GET /r1/mcp HTTP/1.0\r\n\r\n', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'])
      expect(await send(bytes)).toMatch(/^HTTP\/1\.1 4(00|21) /)
  })

  it('B233 HTTP/1.0 with a Host is served, and never in chunks', async () => {
    const answer = await send(`POST /r1/mcp HTTP/1.0\r\n${await honest()}Content-Length: 2\r\n\r\n{}`)
    expect(answer).toMatch(/^HTTP\/1\.1 200 /)
    expect(answer).not.toMatch(/transfer-encoding/i)
  })
})

it('B235 what follows a refused request on its connection is not mixed up with its body', async () => {
  const { host } = new URL(gateway.rig.issuer)
  const inner = `${SMUGGLED}${await honest()}Content-Length: 0\r\n\r\n`
  const refused = `POST /r1/mcp HTTP/1.1\r\nHost: ${host}\r\nContent-Length: ${inner.length}\r\n\r\n${inner}`
  const good = `POST /r1/mcp?second HTTP/1.1\r\n${await honest()}Connection: close\r\nContent-Length: 0\r\n\r\n`
  const got = statuses(await send(refused + good))
  expect([[401], [401, 200]]).toContainEqual(got)
  expect(gateway.rig.forwarded.map(({ url }) => url)).toEqual(got.length === 2 ? ['/internal/mcp?second'] : [])
})

it('B236 an expectation that nobody can meet is 417', async () => {
  expect(await framed('Expect: junk\r\nContent-Length: 2\r\n', '{}')).toEqual([417])
})

it('B239 pipelined requests of two users are each judged by their own token, in order', async () => {
  const { rig } = gateway
  const client = await register(rig.issuer)
  const carol = await obtainTokens(rig.issuer, client, { resource: rig.home }, PASSWORD_USER)
  const { host } = new URL(rig.issuer)
  const line = (path: string, token: string, last: boolean) =>
    `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${token}\r\n${last ? 'Connection: close\r\n' : ''}\r\n`
  const mine = (await honest()).split('Bearer ')[1]?.trim() ?? ''
  const requests = Array.from({ length: 40 }, (_, index) => {
    const [path, token] =
      [
        ['/r1/mcp', mine],
        ['/home', carol.accessToken],
        ['/home', mine],
        ['/r1/mcp', carol.accessToken],
      ][index % 4] ?? []
    return line(`${path}?n=${index}`, String(token), index === 39)
  })
  const got = statuses(await send(requests.join('')))
  expect(got).toEqual(requests.map((_, index) => (index % 4 < 2 ? 200 : 401)))
  for (const { server, headers, url } of rig.forwarded) {
    const index = Number(/n=(\d+)/.exec(url)?.[1])
    expect([server, headers['x-user']]).toEqual(index % 4 === 0 ? ['one', undefined] : ['two', 'carol'])
  }
})
