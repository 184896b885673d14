import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { workplace } from '../cli/run-cli.ts'
import { edit } from '../config/base.ts'
import { freePort } from '../fixtures/free-port.ts'
import { ask } from '../fixtures/http-exchange.ts'

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))
/** More than a gateway needs for itself, and fewer than the flood. */
const DESCRIPTORS = 128
const FLOOD = 300

/** `gatehouse serve` that may open so many files and sockets and no more. */
async function serveWithFew() {
  const [port, operationsPort] = [await freePort(), await freePort()]
  const place = workplace({
    'gateway.yaml': edit(
      ['https://mcp.example.com', `http://127.0.0.1:${port}`],
      ['listen: 127.0.0.1:8080', `listen: 127.0.0.1:${port}`],
      ['127.0.0.1:9090', `127.0.0.1:${operationsPort}`],
    ),
  })
  const child = spawn('sh', ['-c', `ulimit -n ${DESCRIPTORS} && exec "$0" "$@"`, process.execPath, CLI, 'serve'], {
    cwd: place.path,
    env: { PATH: process.env.PATH, LOG_LEVEL: 'warn' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const said = text(child.stdout)
  const ended = once(child, 'exit')
  const url = `http://127.0.0.1:${port}/healthz`
  while (
    !(await ask(url).then(
      () => true,
      () => false,
    ))
  )
    await new Promise((resolve) => setImmediate(resolve))
  return { child, ended, said, port, url, remove: () => place.remove() }
}

/** Sends a request on the one connection of `agent`; resolves to its status. */
function askOn(agent: Agent, url: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request(url, { agent }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode))
    })
      .once('error', reject)
      .end()
  })
}

it.runIf(process.platform === 'linux')(
  'a flood of connections up to the limit of the process ends nothing: who is connected is served, and others are again afterwards (B274)',
  async () => {
    const gateway = await serveWithFew()
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    expect(await askOn(agent, gateway.url)).toBe(404)

    const flood: Socket[] = []
    let closed = 0
    for (let count = 0; count < FLOOD; count += 1) {
      const socket = connect(gateway.port, '127.0.0.1')
      socket
        .on('error', () => {})
        .once('close', () => {
          closed += 1
        })
      flood.push(socket.resume())
    }
    // Those that the process cannot take are closed at once instead of being left waiting.
    while (closed < FLOOD - DESCRIPTORS) await new Promise((resolve) => setImmediate(resolve))
    for (let count = 0; count < 5; count += 1) expect(await askOn(agent, gateway.url)).toBe(404)

    for (const socket of flood) socket.destroy()
    while (
      !(await ask(gateway.url).then(
        ({ status }) => status === 404,
        () => false,
      ))
    );
    agent.destroy()
    gateway.child.kill('SIGTERM')
    expect(await gateway.ended).toEqual([0, null])
    expect(await gateway.said).toBe('')
    gateway.remove()
  },
  30_000,
)
