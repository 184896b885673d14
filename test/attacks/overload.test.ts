import { once } from 'node:events'
import { type IncomingMessage, request, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { concurrencyThatFits, memoryOfProcess } from '../../src/gateway/memory-share.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { callMcp } from '../fixtures/mcp-call.ts'
import { registerClient } from '../fixtures/oauth-client.ts'
import { ALICE, passwordProviders } from '../fixtures/password-provider.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'

const MB = 1024 * 1024

describe('more requests and streams than the gateway has memory for', () => {
  let server: PlainServer
  let gateway: TestGateway
  const open: ServerResponse[] = []

  beforeAll(async () => {
    server = await startPlainServer((request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
      if (request.method === 'GET') open.push(response)
      else response.end()
    })
    const route = { upstream: server.url, sign_in: 'home' }
    gateway = await startTestGateway({
      providers: await passwordProviders(),
      routes: { '/mcp': route, '/other': route },
      limits: { concurrent: 4 },
    })
  })
  afterAll(async () => {
    await gateway.close()
    await server.close()
  })

  it('are refused with 503 and Retry-After on every route, whoever asks, until others have ended (C65, P-64)', async () => {
    const client = await registerClient(gateway.issuer)
    const [mcp, other] = [`${gateway.issuer}/mcp`, `${gateway.issuer}/other`]
    const here = (await client.obtain(mcp, ALICE)).access_token
    const there = (await client.obtain(other, ALICE)).access_token
    const streams: Response[] = []
    for (const [url, token] of [...Array(3).fill([mcp, here]), [other, there]] as [string, string][])
      streams.push(await callMcp(url, token, { method: 'GET', body: null }))
    expect(streams.map(({ status }) => status)).toEqual([200, 200, 200, 200])

    for (const [url, token] of [
      [mcp, here],
      [other, there],
    ] as const) {
      const refused = await callMcp(url, token)
      expect([refused.status, Number(refused.headers.get('retry-after')) > 0]).toEqual([503, true])
      expect(await refused.json()).toMatchObject({ jsonrpc: '2.0', error: { code: 503 } })
    }
    // Who has no token is told so at any time.
    expect((await callMcp(mcp, undefined)).status).toBe(401)

    const [first] = open
    if (!first) throw new Error('no stream is open')
    const closed = once(first, 'close')
    first.end()
    await Promise.all([closed, streams[0]?.text()])
    expect((await callMcp(other, there)).status).toBe(200)
    for (const response of open) response.end()
    for (const stream of streams.slice(1)) await stream.text()
  })
})

describe('large bodies that are read as a whole', () => {
  it('are kept as far as the memory goes: what comes then is refused with 503 until one has ended, and no other route (C65)', async () => {
    // Two of the largest that are read, 4 MiB each.
    const memory = vi.spyOn(process, 'constrainedMemory').mockReturnValue(64 * MB)
    const server = await startPlainServer(
      (request, response) => void request.resume().on('end', () => response.end('{}')),
    )
    const route = { upstream: server.url, sign_in: 'home' }
    const gateway = await startTestGateway({
      providers: await passwordProviders(),
      routes: { '/judged': { ...route, tools: { allow: ['*'] } }, '/plain': route },
    })
    memory.mockRestore()
    const client = await registerClient(gateway.issuer)
    const [judged, plain] = [`${gateway.issuer}/judged`, `${gateway.issuer}/plain`]
    const token = (await client.obtain(judged, ALICE)).access_token
    const plainToken = (await client.obtain(plain, ALICE)).access_token

    // Each under an authorization of its own: none may have all of it.
    const grants = [await client.obtain(judged, ALICE), await client.obtain(judged, ALICE)]
    const uploads = grants.map(({ access_token }) => {
      const headers = { authorization: `Bearer ${access_token}`, 'content-type': 'application/json' }
      const upload = request(judged, { method: 'POST', headers, agent: false })
      const answered = once(upload, 'response') as Promise<[IncomingMessage]>
      upload.write('{"jsonrpc":"2.0","id":1,')
      return { upload, answered }
    })
    while ((await callMcp(judged, token)).status !== 503);
    expect(await (await callMcp(judged, token)).json()).toMatchObject({ jsonrpc: '2.0', error: { code: 503 } })
    expect((await callMcp(plain, plainToken)).status).toBe(200)

    for (const { upload, answered } of uploads) {
      upload.end('"method":"ping"}')
      const [answer] = await answered
      expect([answer.statusCode, await text(answer)]).toEqual([200, '{}'])
    }
    expect((await callMcp(judged, token)).status).toBe(200)
    await gateway.close()
    await server.close()
  })
})

describe('how many that are', () => {
  it('follows from the memory: 1,024 in a container of 256 MB, no fewer than 200 anywhere (C65)', () => {
    expect(concurrencyThatFits(256 * MB, false)).toBe(1024)
    expect(concurrencyThatFits(512 * MB, false)).toBeGreaterThan(2500)
    expect(concurrencyThatFits(64 * MB, false)).toBe(200)
    // The check of a password takes as much as a thousand streams.
    expect(concurrencyThatFits(512 * MB, true)).toBe(concurrencyThatFits(512 * MB, false) - 1024)
    expect(memoryOfProcess()).toBeGreaterThan(64 * MB)
  })
})
