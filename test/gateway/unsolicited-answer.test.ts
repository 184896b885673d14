import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { expect, it } from 'vitest'
import { rawClient, rawPost, startRig } from './rig.ts'

const answer = (body: string) => `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 6\r\n\r\n${body}`
const OWN = answer('"own" ')
const POISON = answer('"bad" ')

/** An MCP server that keeps its connections and counts them; `push` is called after each answer. */
async function startServer(push: (socket: Socket) => void) {
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket)
    let received = ''
    socket.on('error', () => {})
    socket.on('data', (data) => {
      received += data.toString('latin1')
      if (!received.endsWith('{}')) return
      received = ''
      socket.write(OWN)
      push(socket)
    })
  })
  return { rig: await startRig({ upstream: server, buffered: true }), sockets }
}

async function ask(port: number): Promise<string> {
  const client = await rawClient(port, rawPost('{}'))
  const text = await client.until('" ')
  client.socket.destroy()
  return text
}

it('the positive twin: a connection that stays quiet serves the next request as well (B238)', async () => {
  const { rig, sockets } = await startServer(() => {})
  expect(await ask(rig.port)).toContain('"own"')
  expect(await ask(rig.port)).toContain('"own"')
  expect(sockets).toHaveLength(1)
})

it.each<[string, (socket: Socket) => void]>([
  ['in one piece with an answer', (socket) => socket.write(POISON)],
  ['on a connection that has become idle', (socket) => setImmediate(() => socket.write(POISON))],
  ['in part, and on with it later', (socket) => socket.write(POISON.slice(0, 40))],
])('what a server sends unasked reaches nobody: %s (B238)', async (_, push) => {
  const { rig, sockets } = await startServer(push)
  expect(await ask(rig.port)).toContain('"own"')
  expect(await rig.nextOutcome()).toMatchObject({ kind: 'answered' })
  // The connection on which it came is given up, whether it is noticed before the next request or by it.
  const [first] = sockets
  if (first && !first.destroyed) await Promise.race([once(first, 'close'), once(first, 'end')])
  for (let count = 0; count < 3; count += 1) {
    const text = await ask(rig.port)
    expect(text).toContain('"own"')
    expect(text).not.toContain('"bad"')
  }
})
