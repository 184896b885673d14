import { createServer } from 'node:net'
import { describe, expect, it } from 'vitest'
import { dechunk, RAW_GET, rawClient, rawPost, startRig } from './rig.ts'

const EVENTS = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n'

/** An admission that the test decides. */
function admission() {
  const asked = Promise.withResolvers<void>()
  const decided = Promise.withResolvers<void>()
  const admit = () => {
    asked.resolve()
    return decided.promise
  }
  return { admit, asked: asked.promise, allow: decided.resolve, refuse: decided.reject }
}

describe('an answer that has to be admitted first', () => {
  it.each(['application/json', 'text/event-stream'])('is not begun before: %s (P-41)', async (type) => {
    const { admit, asked, allow } = admission()
    const rig = await startRig({
      exchange: { admit },
      upstream: (_, response) => void response.writeHead(200, { 'content-type': type }).end('data: 1\n\n'),
    })
    const client = await rawClient(rig.port, rawPost('{}'))
    await asked
    expect(client.received()).toBe('')
    allow()
    expect(await client.until('data: 1\n\n')).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    expect(await rig.nextOutcome()).toMatchObject({ kind: 'answered', bytes: 9 })
  })

  it('arrives whole when the server has closed its connection meanwhile (P-12)', async () => {
    const { admit, asked, allow } = admission()
    const body = 'data: 0123456789\n\n'.repeat(20_000)
    const closed = Promise.withResolvers<void>()
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', () => socket.write(`${EVENTS}Connection: close\r\n\r\n`))
      void asked.then(() => {
        socket.end(body)
        socket.on('finish', closed.resolve)
      })
    })
    const rig = await startRig({ exchange: { admit }, upstream: server })
    const client = await rawClient(rig.port, RAW_GET)
    await closed.promise
    allow()
    expect(dechunk(await client.until('\r\n0\r\n\r\n'))).toBe(body)
    expect(await rig.nextOutcome()).toMatchObject({ kind: 'answered', bytes: body.length })
  })

  it('is thrown away when it is not, and the request to the server ends', async () => {
    const { admit, asked, refuse } = admission()
    const closed = Promise.withResolvers<void>()
    const rig = await startRig({
      exchange: { admit },
      upstream: (_, response) => {
        response.on('close', closed.resolve)
        response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: secret\n\n')
      },
    })
    const answer = fetch(rig.url)
    await asked
    refuse(new TypeError('away'))
    expect(await (await answer).text()).toBe('not_admitted')
    await closed.promise
    expect(await rig.nextOutcome()).toEqual({ kind: 'not_admitted', reason: 'TypeError' })
    expect(rig.forwarder.open).toBe(0)
  })

  it('goes nowhere when the client has left or the right has ended meanwhile (P-65, P-71)', async () => {
    for (const end of ['leave', 'revoke'] as const) {
      const { admit, asked, allow } = admission()
      const rig = await startRig({
        exchange: { admit },
        owner: 'grant',
        upstream: (_, response) => void response.writeHead(200, { 'content-type': 'text/event-stream' }).write(':\n'),
      })
      const client = await rawClient(rig.port, RAW_GET)
      await asked
      if (end === 'leave') client.socket.destroy()
      else rig.forwarder.endStreams(() => true)
      const outcome = await rig.nextOutcome()
      allow()
      expect(outcome.kind).toBe(end === 'leave' ? 'client_gone' : 'cut')
      expect(client.received()).not.toContain('200 OK')
      expect(rig.forwarder.open).toBe(0)
    }
  })
})
