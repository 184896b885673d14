import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { BASE, edit } from '../config/base.ts'
import { run, start, workplace } from './run-cli.ts'

const places: { remove(): void }[] = []
afterEach(() => {
  for (const place of places.splice(0)) place.remove()
})

const FREE_PORTS = edit(['listen: 127.0.0.1:8080', 'listen: 127.0.0.1:0'], ['127.0.0.1:9090', '127.0.0.1:0'])

const LOOPBACK = FREE_PORTS.replace('https://mcp.example.com', 'http://127.0.0.1:8080')

function directoryWith(text: string): string {
  const place = workplace({ 'gateway.yaml': text })
  places.push(place)
  return place.path
}

describe('gatehouse migrate', () => {
  it('creates the database once, and then has nothing to apply', async () => {
    const cwd = directoryWith(BASE)
    expect(await run(['migrate'], { cwd })).toMatchObject({ code: 0, stdout: expect.stringMatching(/^applied \d{4}_/) })
    expect(existsSync(join(cwd, 'data/gatehouse.db'))).toBe(true)
    expect(await run(['migrate'], { cwd })).toMatchObject({ code: 0, stdout: 'nothing to apply\n' })
  })

  it('exits with 2 and one line when the database cannot be had', async () => {
    const cwd = directoryWith(edit(['sqlite:data/gatehouse.db', 'sqlite:gateway.yaml/x.db']))
    const { code, stderr } = await run(['migrate'], { cwd })
    expect(code).toBe(2)
    expect(stderr).toMatch(/^gatehouse: cannot start: [^\n]+\n$/)
  })
})

describe('gatehouse serve', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    'logs JSON lines, listens, and drains on %s with exit code 0',
    async (signal) => {
      const gateway = start(['serve'], { cwd: directoryWith(FREE_PORTS) })
      await gateway.said('listening')
      gateway.child.kill(signal)
      const { code, stdout } = await gateway.ended
      expect(code).toBe(0)
      const lines = stdout.trim().split('\n')
      expect(lines.every((line) => typeof JSON.parse(line).level === 'number')).toBe(true)
      expect(lines.slice(-2).map((line) => JSON.parse(line).msg)).toEqual([
        'draining: open requests may finish',
        'stopped',
      ])
    },
  )

  it('refuses a LOG_LEVEL that does not exist', async () => {
    const cwd = directoryWith(FREE_PORTS)
    const refused = await run(['serve'], { cwd, env: { LOG_LEVEL: 'loud' } })
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(/LOG_LEVEL must be one of/) })
  })

  it.each([
    ['where people work', FREE_PORTS, 'refresh.claimed', /public_url is not on a loopback host/],
    ['that do not exist', LOOPBACK, 'refresh.whenever', /must be one of refresh\.claimed/],
  ])('refuses failpoints %s, before it opens anything (C01)', async (_where, text, failpoint, words) => {
    const cwd = directoryWith(text)
    const refused = await run(['serve'], { cwd, env: { GATEHOUSE_FAILPOINT: failpoint } })
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(words) })
    expect(existsSync(join(cwd, 'data'))).toBe(false)
  })

  it('takes failpoints on a loopback host alone (C01)', async () => {
    const gateway = start(['serve'], {
      cwd: directoryWith(LOOPBACK),
      env: { GATEHOUSE_FAILPOINT: 'refresh.claimed:2' },
    })
    await gateway.said('listening')
    gateway.child.kill('SIGTERM')
    expect((await gateway.ended).code).toBe(0)
  })

  it('exits with 1 on a configuration problem, before it opens anything', async () => {
    const cwd = directoryWith(edit(['https://mcp.example.com', 'http://mcp.example.com']))
    expect(await run(['serve'], { cwd })).toMatchObject({ code: 1, stderr: expect.stringMatching(/gateway\.yaml:1/) })
    expect(existsSync(join(cwd, 'data'))).toBe(false)
  })

  it('exits with 2 and one line when its port is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const address = other.address()
    const port = typeof address === 'object' ? address?.port : undefined
    const text = FREE_PORTS.replace('listen: 127.0.0.1:0', `listen: 127.0.0.1:${port}`)
    const { code, stderr } = await run(['serve'], { cwd: directoryWith(text) })
    other.close()
    expect(code).toBe(2)
    expect(stderr).toBe(
      `gatehouse: cannot start: listening on 127.0.0.1:${port}: the address is already in use; another gateway may be running\n`,
    )
  })

  // No resolver is asked about a name with so long a label.
  const nowhere = 'x'.repeat(64)
  it.each([
    ['an audit file behind a file', '', 'file:gateway.yaml/a', /gateway\.yaml: not a directory; make it writable/],
    ['an audit file that is a directory', '', 'file:.', /\.: a directory, not a file; make it writable/],
    ['a host that does not exist', nowhere, 'stdout', /listening on x{64}: this host name has no address/],
    // What is wrong with it depends on whether the machine has IPv6 at all.
    ['an address of one link', '[fe80::1]', 'stdout', /listening on \[fe80::1\]:0: th(e system|is machine) /],
  ])('exits with 2 and one line for %s', async (_what, host, destination, problem) => {
    const text = FREE_PORTS.replace('listen: 127.0.0.1:0', `listen: "${host || '127.0.0.1'}:0"`)
    const cwd = directoryWith(`${text}audit: { destination: "${destination}" }\n`)
    const { code, stderr } = await run(['serve'], { cwd })
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(problem) })
    expect(stderr).toMatch(/^gatehouse: cannot start: [^\n]+\n$/)
  })
})
