import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startDemo } from '../../src/demo/demo.ts'
import { DemoRefused } from '../../src/demo/refused.ts'
import { keptSecret } from '../../src/demo/secret-file.ts'
import { welcome } from '../../src/demo/welcome.ts'
import { Secret } from '../../src/domain/secret.ts'
import { freePort } from '../fixtures/free-port.ts'

const logger = pino({ level: 'silent' })

let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gatehouse-demo-'))
})

afterEach(() => rm(directory, { recursive: true }))

async function occupyPort() {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  return { port, release: () => new Promise((resolve) => server.close(resolve)) }
}

describe('the demo', () => {
  test('serves its route with a challenge that leads to its metadata (RFC 9728 §5.1)', async () => {
    const port = await freePort()
    const demo = await startDemo({ port, directory, logger })
    try {
      const response = await fetch(demo.url, { method: 'POST' })
      expect(response.status).toBe(401)
      expect(response.headers.get('www-authenticate')).toContain(
        `resource_metadata="http://localhost:${port}/.well-known/oauth-protected-resource/mcp"`,
      )
    } finally {
      await demo.close()
    }
  })

  test('keeps key and token for its owner alone, and works with them again after a restart', async () => {
    const port = await freePort()
    const first = await startDemo({ port, directory, logger })
    await first.close()
    const second = await startDemo({ port, directory, logger })
    await second.close()
    expect(second.fingerprint).toBe(first.fingerprint)
    expect(second.password.reveal()).not.toBe(first.password.reveal())
    const files = await readdir(directory)
    expect(files).toEqual(expect.arrayContaining(['demo.db', 'demo.key', 'demo.pat']))
    for (const name of files) expect([name, (await stat(join(directory, name))).mode & 0o077]).toEqual([name, 0])
  })

  test('says which port is taken, and how to choose another', async () => {
    const { port, release } = await occupyPort()
    try {
      await expect(startDemo({ port, directory, logger })).rejects.toThrow(DemoRefused)
      await expect(startDemo({ port, directory, logger })).rejects.toThrow(`PORT=${port + 1} npm start`)
    } finally {
      await release()
    }
  })

  test('the welcome names the URL, the user, the password and a line for each client, without colours in a pipe', () => {
    const demo = {
      url: 'http://localhost:8080/mcp',
      password: new Secret('abcd-efgh-jkmn'),
      upstream: 'http://127.0.0.1:40000/mcp',
      fingerprint: 'sha256:0123456789ab',
      directory: 'data',
    }
    const plain = welcome(demo, false)
    expect(plain).toContain('claude mcp add --transport http gatehouse-demo http://localhost:8080/mcp')
    expect(plain).toContain('@modelcontextprotocol/inspector --server-url http://localhost:8080/mcp')
    expect(plain).toContain('"type": "http"')
    expect(plain).toContain('abcd-efgh-jkmn')
    expect(plain).not.toContain('\x1b')
    expect(welcome(demo, true)).toContain('\x1b[1m')
  })
})

describe('a secret kept in a file', () => {
  const fresh = () => new Secret('made once')

  test('is made once, with mode 0600, and read from then on', async () => {
    const file = join(directory, 'new', 'key')
    expect((await keptSecret(file, fresh)).reveal()).toBe('made once')
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect((await stat(join(directory, 'new'))).mode & 0o777).toBe(0o700)
    expect((await keptSecret(file, () => new Secret('another'))).reveal()).toBe('made once')
    expect(await readFile(file, 'utf8')).toBe('made once\n')
  })

  test.each(['640', '604', '660'])('is refused when others may read it (mode %s), with the remedy', async (mode) => {
    const file = join(directory, 'key')
    await keptSecret(file, fresh)
    await chmod(file, mode)
    await expect(keptSecret(file, fresh)).rejects.toThrow(`chmod 600 ${file}`)
    await chmod(file, 0o600)
    expect((await keptSecret(file, fresh)).reveal()).toBe('made once')
  })

  test('is refused when the file is empty', async () => {
    const file = join(directory, 'key')
    await writeFile(file, '', { mode: 0o600 })
    await expect(keptSecret(file, fresh)).rejects.toThrow(DemoRefused)
  })
})
