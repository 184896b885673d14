import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { dechunk, RAW_GET, rawClient, rawPost, startRig } from './rig.ts'

const EVENTS = { 'content-type': 'text/event-stream' }
const LISTEN = 'Mcp-Method: subscriptions/listen\r\n'
const GRACE_MS = 5000

/** One stream from an MCP server; the client has seen `first`. */
async function openStream(first: string, options: { raw?: string; keepAliveMs?: number; endsAt?: number }) {
  const { raw = RAW_GET, ...exchange } = options
  const opened = Promise.withResolvers<ServerResponse>()
  const rig = await startRig({
    exchange,
    expiryGraceMs: GRACE_MS,
    upstream: (_, response) => {
      response.writeHead(200, EVENTS)
      response.write(first)
      opened.resolve(response)
    },
  })
  const client = await rawClient(rig.port, raw)
  const stream = await opened.promise
  await client.until(first)
  return { rig, client, stream, closed: once(stream, 'close') }
}

describe('a comment that keeps a silent stream alive', () => {
  it('comes again and again between two events (P-62)', async () => {
    const { client } = await openStream('data: 1\n\n', { keepAliveMs: 20 })
    const received = await client.until(':\n\n\r\n3\r\n:\n\n')
    expect(dechunk(received)).toMatch(/^data: 1\n\n(:\n\n)+$/)
  })

  it('comes before the first event of a stream that says nothing at all (P-62)', async () => {
    const rig = await startRig({
      exchange: { keepAliveMs: 20 },
      upstream: (_, response) => response.writeHead(200, EVENTS).flushHeaders(),
    })
    const client = await rawClient(rig.port, RAW_GET)
    expect(dechunk(await client.until(':\n\n'))).toMatch(/^(:\n\n)+$/)
  })

  it('never comes inside an event, however long that takes (P-62, P-104, B254)', async () => {
    const { client, stream } = await openStream('data: {"a":', { keepAliveMs: 10 })
    for (let count = 0; count < 5; count += 1) await new Promise((resolve) => setTimeout(resolve, 15))
    stream.write('1}\n')
    await client.until('1}\n')
    for (let count = 0; count < 5; count += 1) await new Promise((resolve) => setTimeout(resolve, 15))
    stream.write('\n')
    expect(dechunk(await client.until(':\n\n'))).toMatch(/^data: \{"a":1\}\n\n(:\n\n)+$/)
  })

  it('does not come where none was asked for, nor into what is no event stream (P-62)', async () => {
    const without = await openStream('data: 1\n\n', {})
    const document = await startRig({
      exchange: { keepAliveMs: 10 },
      upstream: (_, response) => {
        response.writeHead(200, { 'content-type': 'application/json' }).write('{')
        setTimeout(() => response.end('}'), 60)
      },
    })
    expect(await (await fetch(document.url)).text()).toBe('{}')
    without.stream.end('data: 2\n\n')
    expect(dechunk(await without.client.until('\r\n0\r\n\r\n'))).toBe('data: 1\n\ndata: 2\n\n')
  })

  it('ends with its stream', async () => {
    const { rig, client, stream } = await openStream('data: 1\n\n', { keepAliveMs: 10 })
    stream.end()
    await client.until('\r\n0\r\n\r\n')
    expect(await rig.nextOutcome()).toMatchObject({ kind: 'answered' })
    const leaving = await openStream('data: 1\n\n', { keepAliveMs: 10 })
    leaving.client.socket.destroy()
    await leaving.closed
    expect(await leaving.rig.nextOutcome()).toEqual({ kind: 'client_gone' })
  })
})

describe('the end of the right to a stream', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] }))
  afterEach(() => void vi.useRealTimers())

  it.each([
    ['a GET stream', RAW_GET],
    ['subscriptions/listen', rawPost('{}', LISTEN)],
  ])('ends %s cleanly, between two events, after a grace (P-71, B251)', async (_, raw) => {
    const { rig, client, stream, closed } = await openStream('data: 1\n\n', { raw, endsAt: Date.now() + 1000 })
    vi.advanceTimersByTime(1000 + GRACE_MS - 1)
    stream.write('data: 2\n\n')
    await client.until('data: 2\n\n')
    vi.advanceTimersByTime(1)
    expect(dechunk(await client.until('\r\n0\r\n\r\n'))).toBe('data: 1\n\ndata: 2\n\n')
    await closed
    expect(await rig.nextOutcome()).toEqual({ kind: 'cut', written: true })
  })

  it('waits for the end of an event, but not for ever (P-71)', async () => {
    const waiting = await openStream('data: ha', { endsAt: Date.now() })
    vi.advanceTimersByTime(2 * GRACE_MS - 1)
    waiting.stream.write('lf\n')
    await waiting.client.until('lf\n')
    waiting.stream.write('\n')
    await waiting.client.until('\r\n0\r\n\r\n')
    const stuck = await openStream('data: ha', { endsAt: Date.now() })
    vi.advanceTimersByTime(2 * GRACE_MS)
    await stuck.client.closed()
    expect(stuck.client.received()).not.toContain('\r\n0\r\n\r\n')
  })

  it('lets an answer that ends by itself finish (P-71)', async () => {
    const { client, stream, rig } = await openStream('data: progress\n\n', { raw: rawPost('{}'), endsAt: Date.now() })
    vi.advanceTimersByTime(10 * GRACE_MS)
    stream.end('data: result\n\n')
    await client.until('data: result\n\n')
    await client.until('\r\n0\r\n\r\n')
    expect(await rig.nextOutcome()).toMatchObject({ kind: 'answered' })
  })
})
