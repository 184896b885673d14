import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { registerClient } from '../fixtures/oauth-client.ts'
import { ALICE, passwordProviders } from '../fixtures/password-provider.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'

let server: PlainServer
let gateway: TestGateway
let lines: string
/** Requests that the MCP server has not answered. */
let waiting: ServerResponse[] = []

beforeAll(async () => {
  server = await startPlainServer((request, response) => {
    request.resume()
    waiting.push(response)
  })
  gateway = await startTestGateway({
    providers: await passwordProviders(),
    routes: { '/mcp': { upstream: server.url, sign_in: 'home' } },
    audit: { calls: true },
  })
  const client = await registerClient(gateway.issuer)
  const { access_token } = await client.obtain(`${gateway.issuer}/mcp`, ALICE)
  lines = `Host: ${new URL(gateway.issuer).host}\r\nAuthorization: Bearer ${access_token}\r\nContent-Type: application/json\r\n`
})
afterAll(async () => {
  await gateway.close()
  await server.close()
})
beforeEach(() => {
  waiting = []
})

function toolCall(tool: string): string {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: tool } })
  return `POST /mcp HTTP/1.1\r\n${lines}Content-Length: ${body.length}\r\n\r\n${body}`
}

/** The tools of all calls in the audit trail, in the order of the alphabet. */
function noted(): unknown[] {
  const events = gateway
    .output()
    .split('\n')
    .filter((line) => line.includes('"event":"call"'))
  return events.map((line) => JSON.parse(line).tool).toSorted()
}

it('a client that leaves takes with it what it had asked for behind another request, and the trail names all of it (P-65, B239, B253)', async () => {
  const socket = connect(Number(new URL(gateway.issuer).port), '127.0.0.1')
  await once(socket, 'connect')
  socket.write(toolCall('first') + toolCall('second') + toolCall('third'))
  await expect.poll(() => waiting.length).toBe(3)
  const gone = waiting.map((response) => once(response, 'close'))
  socket.destroy()
  await Promise.all(gone)
  await expect.poll(noted).toEqual(['first', 'second', 'third'])
})

it('a request that is refused behind another one does not hide that its client has left (P-65, B253)', async () => {
  const socket = connect(Number(new URL(gateway.issuer).port), '127.0.0.1')
  socket.on('error', () => {})
  await once(socket, 'connect')
  const { host } = new URL(gateway.issuer)
  const refused = `POST /mcp HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer x\r\nContent-Length: ${2 ** 22}\r\n\r\n`
  socket.write(`${toolCall('held')}${refused}`)
  await expect.poll(() => waiting.length).toBe(1)
  // More than is read of a body that nobody wants.
  socket.write(Buffer.alloc(2 ** 22))
  await expect.poll(() => gateway.output()).toContain('"reason":"invalid_token"')
  const [held] = waiting
  const gone = held && once(held, 'close')
  socket.destroy()
  await gone
})
