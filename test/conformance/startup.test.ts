import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, it } from 'vitest'
import { freePort } from '../fixtures/free-port.ts'
import { spawnTestGateway } from '../fixtures/gateway.ts'

const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url))
const HASH = `scrypt$ln=14,r=8,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`
const PARTS = {
  providers: { home: { type: 'password', users: { alice: HASH } } },
  routes: { '/notes': { upstream: 'http://127.0.0.1:9/mcp', sign_in: 'home' } },
}
const directory = mkdtempSync(join(tmpdir(), 'gatehouse-startup-'))
afterAll(() => rmSync(directory, { recursive: true }))

/** Runs `gatehouse serve` until it gives up. */
async function serve(changes: Record<string, unknown>): Promise<{ code: number | null; said: string }> {
  const [port, operations] = [await freePort(), await freePort()]
  const file = join(directory, `${randomBytes(4).toString('hex')}.yaml`)
  const base = {
    public_url: `http://127.0.0.1:${port}`,
    listen: `127.0.0.1:${port}`,
    operations: { listen: `127.0.0.1:${operations}` },
    database: `sqlite:${file}.db`,
    encryption_keys: [randomBytes(32).toString('base64')],
  }
  writeFileSync(file, JSON.stringify({ ...base, ...PARTS, ...changes }))
  const child = spawn(process.execPath, [CLI, 'serve', '--config', file], {
    env: { PATH: process.env.PATH },
    cwd: directory,
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, said }
}

it.each<[string, Record<string, unknown>, RegExp]>([
  ['a public URL without TLS', { public_url: 'http://mcp.example.com' }, /public_url/],
  ['no encryption key', { encryption_keys: [] }, /encryption_keys/],
  ['a short encryption key', { encryption_keys: ['PLANTED-changeme'] }, /encryption_keys/],
  [
    'a wildcard redirect URI',
    { clients: { static: [{ client_id: 'a', redirect_uris: ['https://*.example.com/'] }] } },
    /redirect_uris/,
  ],
  ['every origin', { allowed_origins: ['*'] }, /allowed_origins/],
  ['an unknown key', { requre_consent: true }, /requre_consent/],
])('does not start with %s: exit code 1, and says where (X-13, B284, B290)', async (_, changes, where) => {
  const { code, said } = await serve(changes)
  expect(code).toBe(1)
  expect(said).toMatch(where)
  expect(said).not.toContain('PLANTED')
  expect(said).not.toContain('"msg":"listening"')
})

it('does not proxy to itself (X-13, X-14)', async () => {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const { code, said } = await serve({
    public_url: url,
    listen: `127.0.0.1:${port}`,
    routes: { '/notes': { upstream: `${url}/notes`, sign_in: 'home' } },
  })
  expect(code).toBe(1)
  expect(said).toMatch(/upstream/)
})

it('does not share a SQLite file with another process: exit code 2 (X-12, C45)', async () => {
  const database = `sqlite:${join(directory, 'shared.db')}`
  const encryption_keys = [randomBytes(32).toString('base64')]
  const first = await spawnTestGateway({ ...PARTS, database, encryption_keys })
  try {
    const { code, said } = await serve({ database, encryption_keys })
    expect(code).toBe(2)
    expect(said).toMatch(/another process|in use|already/i)
  } finally {
    await first.close()
  }
})

it('does not open a database with other keys than it was written with: exit code 2 (B284)', async () => {
  const database = `sqlite:${join(directory, 'keys.db')}`
  const first = await spawnTestGateway({ ...PARTS, database })
  await first.kill()
  const { code, said } = await serve({ database })
  await first.close()
  expect(code).toBe(2)
  expect(said).toMatch(/encryption key/)
})
