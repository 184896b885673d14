import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { describe, expect, it } from 'vitest'
import { eventBoundary } from '../../src/gateway/event-boundary.ts'
import { RAW_GET, rawClient, rawPost, startRig } from './rig.ts'

const EVENTS = { 'content-type': 'text/event-stream' }
const LONG_MS = 60_000

/** An MCP server with one event stream open; the client has seen `first`. */
async function openStream(first: string, options: { raw?: string; owner?: string } = {}) {
  const streams: ServerResponse[] = []
  const rig = await startRig({
    ...options,
    upstream: (_, response) => {
      streams.push(response)
      response.writeHead(200, EVENTS)
      response.write(first === '' ? ':' : first)
    },
  })
  const client = await rawClient(rig.port, options.raw ?? RAW_GET)
  await client.until(first === '' ? ':' : first)
  const stream = streams[0]
  if (!stream) throw new Error('no stream was opened')
  return { rig, client, stream, closed: once(stream, 'close') }
}

describe('draining', () => {
  it('ends a stream that stands between two events at once and cleanly (P-70)', async () => {
    const { rig, client, closed } = await openStream('data: 1\n\n')
    await rig.forwarder.drain(LONG_MS)
    await client.until('\r\n0\r\n\r\n')
    await closed
    expect(await rig.nextOutcome()).toEqual({ kind: 'cut', written: true })
  })

  it('waits for the end of an event that has begun (P-70)', async () => {
    const { rig, client, stream } = await openStream('data: 1\n\ndata: ha')
    let drained = false
    const done = rig.forwarder.drain(LONG_MS).then(() => {
      drained = true
    })
    stream.write('lf')
    await client.until('half'.slice(2))
    expect(drained).toBe(false)
    stream.write('\n\n')
    await done
    const answer = await client.until('\r\n0\r\n\r\n')
    expect(answer.replaceAll(/\r\n[0-9a-f]+\r\n/g, '')).toContain('half\n\n')
  })

  it('breaks off an event that never ends, at the limit (P-70)', async () => {
    const { rig, client } = await openStream('data: ha')
    await rig.forwarder.drain(50)
    await client.closed()
    expect(client.received()).not.toContain('\r\n0\r\n\r\n')
  })

  it('lets the answer of a call finish, as one document or as events (P-70, P-71)', async () => {
    const { rig, client, stream } = await openStream('data: progress\n\n', { raw: rawPost('{}') })
    const done = rig.forwarder.drain(LONG_MS)
    stream.end('data: result\n\n')
    await done
    await client.until('data: result\n\n')
    await client.until('\r\n0\r\n\r\n')
    expect(await rig.nextOutcome()).toMatchObject({ kind: 'answered' })
  })

  it('ends subscriptions/listen like a GET stream, although it is a POST (P-70)', async () => {
    const { rig, client } = await openStream('data: ack\n\n', {
      raw: rawPost('{}', 'Mcp-Method: subscriptions/listen\r\n'),
    })
    await rig.forwarder.drain(LONG_MS)
    await client.until('\r\n0\r\n\r\n')
  })

  it('is over at once when nothing is open', async () => {
    const rig = await startRig({ upstream: (_, response) => void response.end() })
    await rig.forwarder.drain(LONG_MS)
    expect(rig.forwarder.open).toBe(0)
  })

  it('does not begin streams any more, but still answers calls', async () => {
    const rig = await startRig({ upstream: (_, response) => void response.end('ok') })
    await rig.forwarder.drain(LONG_MS)
    expect(await (await fetch(rig.url)).text()).toBe('cut')
    expect(await (await fetch(rig.url, { method: 'POST', body: '{}' })).text()).toBe('ok')
  })
})

describe('revocation', () => {
  it('cuts the streams of one owner and leaves the others (P-71, B250)', async () => {
    const revoked = await openStream('data: 1\n\n', { owner: 'grant-1' })
    const kept = await openStream('data: 1\n\n', { owner: 'grant-2' })
    const isFirst = (owner: string) => owner === 'grant-1'
    expect(revoked.rig.forwarder.endStreams(isFirst)).toBe(1)
    expect(kept.rig.forwarder.endStreams(isFirst)).toBe(0)
    await revoked.client.until('\r\n0\r\n\r\n')
    await revoked.closed
    kept.stream.write('data: 2\n\n')
    await kept.client.until('data: 2')
  })

  it('cuts in the middle of an event as well, and then the client notices (P-71)', async () => {
    const { rig, client } = await openStream('data: ha', { owner: 'g' })
    rig.forwarder.endStreams(() => true)
    await client.closed()
    expect(client.received()).not.toContain('\r\n0\r\n\r\n')
  })

  it('leaves a call that has no answer yet to the caller (P-71)', async () => {
    const arrived = Promise.withResolvers<void>()
    const rig = await startRig({ owner: 'g', upstream: () => arrived.resolve() })
    const answer = fetch(rig.url, { method: 'POST', body: '{}' })
    await arrived.promise
    rig.forwarder.endStreams(() => true)
    expect(await (await answer).text()).toBe('cut')
    expect(await rig.nextOutcome()).toEqual({ kind: 'cut', written: false })
  })
})

describe('the boundary between two events', () => {
  const reached = (...chunks: string[]) => {
    const boundary = eventBoundary()
    for (const chunk of chunks) boundary.follow(Buffer.from(chunk))
    return boundary.reached()
  }

  it.each([
    [[]],
    [['data: 1\n\n']],
    [['data: 1\r\n\r\n']],
    [['data: 1\r\r']],
    [['data: 1\r\n\n']],
    [['data: 1\n\r\n']],
    [['data: 1\n', '\n']],
    [['data: 1\r', '\n', '\r', '\n']],
    [['\n']],
    [['']],
  ])('is at the start and after a blank line: %j (WHATWG HTML §9.2.5)', (chunks) => {
    expect(reached(...chunks)).toBe(true)
  })

  it.each([[['data: 1']], [['data: 1\n']], [['data: 1\r\n']], [['data: 1\r', '\n']], [['data: 1\n\nid: 2']], [[':']]])(
    'is not inside one: %j',
    (chunks) => {
      expect(reached(...chunks)).toBe(false)
    },
  )
})
