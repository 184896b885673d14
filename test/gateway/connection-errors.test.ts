import type { ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { rawAsk, statuses } from '../fixtures/http-exchange.ts'
import { registerClient } from '../fixtures/oauth-client.ts'
import { ALICE, passwordProviders } from '../fixtures/password-provider.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'

const EVENT = 'data: 1\n\n'

let server: PlainServer
let gateway: TestGateway
let head: string
const streams: ServerResponse[] = []

beforeAll(async () => {
  server = await startPlainServer((_request, response) => {
    streams.push(response)
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write(EVENT)
  })
  gateway = await startTestGateway({
    providers: await passwordProviders(),
    routes: { '/mcp': { upstream: server.url, sign_in: 'home' } },
  })
  const client = await registerClient(gateway.issuer)
  const { access_token } = await client.obtain(`${gateway.issuer}/mcp`, ALICE)
  head = `GET /mcp HTTP/1.1\r\nHost: ${new URL(gateway.issuer).host}\r\nAuthorization: Bearer ${access_token}\r\n`
})

afterAll(async () => {
  await gateway.close()
  await server.close()
})

describe('bytes that are no request (RFC 9112 §2.2)', () => {
  it('are answered 400 as JSON, not stored, on a connection that ends with it, and are counted', async () => {
    const answer = await rawAsk(gateway.issuer, 'nonsense\r\n\r\n')
    expect(statuses(answer)).toEqual([400])
    expect(answer).toMatch(/^content-type: application\/json/im)
    expect(answer).toMatch(/^cache-control: no-store/im)
    expect(answer).toMatch(/^connection: close/im)
    expect(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')))).toEqual({
      error: 'invalid_request',
      error_description: 'the request is not well-formed HTTP/1.1',
    })
    const metrics = await (await fetch(`${gateway.operations}/metrics`)).text()
    expect(metrics).toMatch(/gatehouse_refusals_total\{endpoint="\(unknown\)",status="400"\} 1/)
  })

  it('never become a part of an answer that has begun on their connection: it breaks off', async () => {
    const { hostname, port } = new URL(gateway.issuer)
    const socket = connect(Number(port), hostname)
    const received = text(socket)
    socket.write(`${head}\r\n`)
    await new Promise<void>((resolve) =>
      socket.on('data', (chunk: Buffer) => {
        if (chunk.includes(EVENT)) resolve()
      }),
    )
    const left = new Promise((resolve) => streams[0]?.once('close', resolve))
    socket.write('nonsense\r\n\r\n')
    const answer = await received
    expect(statuses(answer)).toEqual([200])
    expect(answer).not.toContain('invalid_request')
    // The server hears that nobody reads any more.
    await left
  })
})

it.each([
  ['is not authorized', '/mcp', '', 401],
  ['is not well-formed', '/mcp', 'Upgrade: websocket\r\nConnection: upgrade\r\n', 400],
  ['is larger than its endpoint takes', '/register', 'Content-Type: application/json\r\n', 413],
])('a request that %s is answered also if all of a large body is sent first (RFC 9112 §9.6)', async (...given) => {
  const [, path, lines, status] = given
  const { hostname, port, host } = new URL(gateway.issuer)
  const body = Buffer.alloc(16 * 1024 * 1024, ' ')
  const socket = connect(Number(port), hostname)
  socket.write(`POST ${path} HTTP/1.1\r\nHost: ${host}\r\n${lines}Content-Length: ${body.length}\r\n\r\n`)
  const failed = await new Promise((resolve) => socket.write(body, resolve))
  expect(failed).toBeFalsy()
  expect(statuses(await text(socket))).toEqual([status])
})
