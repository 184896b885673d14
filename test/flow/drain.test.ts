import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type SpawnedGateway, spawnTestGateway } from '../fixtures/gateway.ts'
import { callMcp } from '../fixtures/mcp-call.ts'
import { registerClient } from '../fixtures/oauth-client.ts'
import { ALICE, passwordProviders } from '../fixtures/password-provider.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'

let server: PlainServer
let gateway: SpawnedGateway
let token: string
let resource: string
/** What arrived at the MCP server and waits for its answer. */
let waiting: { request: IncomingMessage; response: ServerResponse }[]

beforeEach(async () => {
  waiting = []
  server = await startPlainServer((request, response) => void waiting.push({ request, response }))
  gateway = await spawnTestGateway({
    providers: await passwordProviders(),
    routes: { '/mcp': { upstream: server.url, sign_in: 'home' } },
  })
  resource = `${gateway.issuer}/mcp`
  token = (await (await registerClient(gateway.issuer)).obtain(resource, ALICE)).access_token
})

afterEach(async () => {
  await gateway?.close()
  await server?.close()
})

async function arrival(): Promise<ServerResponse> {
  await expect.poll(() => waiting.length, { interval: 5 }).toBeGreaterThan(0)
  const response = waiting.shift()?.response
  if (!response) throw new Error('nothing arrived')
  return response
}

/** Whether the gateway calls itself ready; false too when nobody listens any more. */
function ready(): Promise<boolean> {
  return fetch(`${gateway.operations}/readyz`).then(
    ({ status }) => status === 200,
    () => false,
  )
}

describe('SIGTERM', () => {
  it('lets a call finish, is not ready meanwhile, takes nothing new, and exits with 0 (P-70)', async () => {
    expect(await ready()).toBe(true)
    const answer = callMcp(resource, token)
    const response = await arrival()
    gateway.process().signal('SIGTERM')
    await expect.poll(ready, { interval: 10 }).toBe(false)
    await expect(callMcp(resource, token)).rejects.toThrow()

    response.writeHead(200, { 'content-type': 'application/json' }).end('{"result":"in time"}')
    const answered = await answer
    expect(answered.status).toBe(200)
    expect(await answered.json()).toEqual({ result: 'in time' })
    expect(await gateway.process().ended).toBe(0)
  })

  it('waits for a call whose body is still on its way (P-70)', async () => {
    const { hostname, port, host } = new URL(resource)
    const socket = connect(Number(port), hostname)
    let received = ''
    socket.on('data', (chunk) => {
      received += chunk
    })
    const head = ['POST /mcp HTTP/1.1', `Host: ${host}`, `Authorization: Bearer ${token}`, 'Content-Length: 2']
    socket.write(`${head.join('\r\n')}\r\nExpect: 100-continue\r\n\r\n{`)
    await expect.poll(() => received, { interval: 5 }).toContain('100 Continue')
    gateway.process().signal('SIGTERM')
    await expect.poll(ready, { interval: 10 }).toBe(false)
    // Longer than a gateway takes that has nothing to wait for.
    await setTimeout(1500)
    socket.write('}')
    ;(await arrival()).end('in time')
    await once(socket, 'close')
    expect(received).toMatch(/HTTP\/1\.1 200 [\s\S]*in time$/)
    expect(await gateway.process().ended).toBe(0)
  })

  it('ends a quiet GET stream at once, between two events (P-70)', async () => {
    const opening = callMcp(resource, token, { method: 'GET', body: null })
    const upstream = await arrival()
    upstream.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
    const stream = await opening
    const closed = once(upstream, 'close')
    gateway.process().signal('SIGTERM')
    // It would throw if the connection had been broken off.
    expect(await stream.text()).toBe('data: 1\n\n')
    await closed
    expect(await gateway.process().ended).toBe(0)
  })

  it('waits for the end of an event that has begun (P-70)', async () => {
    const opening = callMcp(resource, token, { method: 'GET', body: null })
    const upstream = await arrival()
    upstream.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: be')
    const stream = await opening
    gateway.process().signal('SIGTERM')
    await expect.poll(ready, { interval: 10 }).toBe(false)
    upstream.write('gun\n\n')
    expect(await stream.text()).toBe('data: begun\n\n')
    expect(await gateway.process().ended).toBe(0)
  })
})
