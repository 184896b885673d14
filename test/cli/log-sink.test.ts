import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, openSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { edit } from '../config/base.ts'
import { freePort } from '../fixtures/free-port.ts'
import { ask } from '../fixtures/http-exchange.ts'
import { workplace } from './run-cli.ts'

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))
const LOST = /^gatehouse_log_lines_lost_total (\d+)$/m

const after: (() => void)[] = []
afterEach(() => {
  for (const clean of after.splice(0).reverse()) clean()
})

/** `gatehouse serve`, with its standard output going to `stdout`; resolves when it is ready. */
async function serve(stdout: NonNullable<ChildProcess['stdin']> | number) {
  const [port, operationsPort] = [await freePort(), await freePort()]
  const place = workplace({
    'gateway.yaml': edit(
      ['https://mcp.example.com', `http://127.0.0.1:${port}`],
      ['listen: 127.0.0.1:8080', `listen: 127.0.0.1:${port}`],
      ['127.0.0.1:9090', `127.0.0.1:${operationsPort}`],
    ),
  })
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', CLI, 'serve'], {
    cwd: place.path,
    env: { PATH: process.env.PATH },
    stdio: ['ignore', stdout, 'inherit'],
  })
  const ended = once(child, 'exit')
  after.push(() => {
    child.kill('SIGKILL')
    place.remove()
  })
  const operations = `http://127.0.0.1:${operationsPort}`
  while (!(await ask(`${operations}/readyz`).then(({ status }) => status === 200, notYet))) await sleep(20)
  return {
    child,
    ended,
    /** Refused requests, each of which is a line in the log. */
    async refusals(count: number) {
      const url = `http://127.0.0.1:${port}/planted`
      for (let sent = 0; sent < count; sent += 50)
        for (const answer of await Promise.all(Array.from({ length: 50 }, () => fetch(url))))
          if (answer.status !== 404) throw new Error(`answered with ${answer.status}`)
    },
    lost: async () => Number(LOST.exec((await ask(`${operations}/metrics`)).body)?.[1]),
  }
}

const notYet = () => false

/** A program that reads the log; it can be stopped and goes on later. */
function reader() {
  const child = spawn('cat', { stdio: ['pipe', 'pipe', 'inherit'] })
  after.push(() => void child.kill('SIGKILL'))
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (more: string) => {
    text += more
  })
  return {
    child,
    text: () => text,
  }
}

describe('a log that nobody reads', () => {
  it('holds up no request: lines beyond what may wait are lost, counted, and reported when reading goes on (C63)', async () => {
    const log = reader()
    const gateway = await serve(log.child.stdin)
    await gateway.refusals(50)
    expect(await gateway.lost()).toBe(0)
    log.child.kill('SIGSTOP')
    while ((await gateway.lost()) === 0) await gateway.refusals(500)
    log.child.kill('SIGCONT')
    // It is told with the next line after there is room again.
    while (!log.text().includes('"msg":"log lines were lost"')) await gateway.refusals(50)
    gateway.child.kill('SIGTERM')
    expect(await gateway.ended).toEqual([0, null])
  }, 60_000)

  it('holds up no shutdown (C63)', async () => {
    const log = reader()
    const gateway = await serve(log.child.stdin)
    log.child.kill('SIGSTOP')
    await gateway.refusals(2000)
    gateway.child.kill('SIGTERM')
    expect(await gateway.ended).toEqual([0, null])
  }, 60_000)

  it('ends nothing when its reader has gone (C63)', async () => {
    const log = reader()
    const gateway = await serve(log.child.stdin)
    log.child.kill('SIGKILL')
    await once(log.child, 'exit')
    while ((await gateway.lost()) === 0) await gateway.refusals(50)
    await gateway.refusals(50)
  }, 60_000)

  it.runIf(existsSync('/dev/full'))(
    'ends nothing when its disk is full (C63)',
    async () => {
      const gateway = await serve(openSync('/dev/full', 'w'))
      await gateway.refusals(50)
      expect(await gateway.lost()).toBeGreaterThan(49)
    },
    60_000,
  )
})
