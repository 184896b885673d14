import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { describe, expect, it, vi } from 'vitest'
import { readSmallBody } from '../../src/gateway/small-body.ts'
import { readWholeBody } from '../../src/gateway/whole-body.ts'
import { listen, rawClient } from './rig.ts'

/** A request whose client announced five bytes, and sent `body` of them. */
async function received(body: string) {
  const server = createServer()
  const arrived = once(server, 'request')
  const head = 'POST / HTTP/1.1\r\nHost: g\r\nContent-Length: 5\r\n\r\n'
  const client = await rawClient(await listen(server), head + body)
  const [request] = (await arrived) as [IncomingMessage]
  return { client, request }
}

it('reads the body of a client that is there', async () => {
  const { request } = await received('whole')
  expect(String(await readSmallBody(request))).toBe('whole')
})

describe.each<[string, (request: IncomingMessage) => unknown]>([
  ['to be sent on', readSmallBody],
  ['to be looked into', (request) => readWholeBody(request, 5)],
])('a body %s', (_, read) => {
  it('is the whole one also when it came in pieces before it was asked for, which newer Nodes hand out singly (P-12)', async () => {
    const { client, request } = await received('who')
    await vi.waitFor(() => expect(request.readableLength).toBe(3))
    client.socket.write('le')
    await vi.waitFor(() => expect(request.readableLength).toBe(5))
    expect(String(await read(request))).toBe('whole')
  })
})

it('notices a client that leaves while it reads (P-65)', async () => {
  const { client, request } = await received('ha')
  const body = readSmallBody(request)
  client.socket.destroy()
  expect(await body).toBe('aborted')
})

it('notices a client that had left before it began to read (P-65)', async () => {
  const { client, request } = await received('ha')
  // Node tells a request that breaks off by an error as well.
  request.on('error', () => {})
  const closed = new Promise((resolve) => request.once('close', resolve))
  client.socket.destroy()
  await closed
  expect(request.destroyed).toBe(true)
  expect(await readSmallBody(request)).toBe('aborted')
})
