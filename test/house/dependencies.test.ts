import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer, text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import manifest from '../../package.json' with { type: 'json' }
import lock from '../../package-lock.json' with { type: 'json' }
import { startPlainServer } from '../fixtures/plain-server.ts'

const AUDIT = fileURLToPath(new URL('../../scripts/audit.mjs', import.meta.url))
const EXACT = /^[0-9]+\.[0-9]+\.[0-9]+(?:-[0-9a-z.]+)?$/

interface Locked {
  readonly version?: string
  readonly integrity?: string
  readonly resolved?: string
}
const locked = Object.entries(lock.packages as Readonly<Record<string, Locked>>).filter(([path]) => path !== '')

describe('what others wrote (B292)', () => {
  it('is pinned: exact versions in package.json, and of each package one version with its hash in the lock file', () => {
    const wanted = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })
    expect(wanted.length).toBeGreaterThan(20)
    expect(wanted.filter(([, version]) => !EXACT.test(version))).toEqual([])
    for (const [name, version] of wanted)
      expect([name, locked.find(([path]) => path === `node_modules/${name}`)?.[1].version]).toEqual([name, version])
    expect(
      locked.filter(([, { version, integrity }]) => !EXACT.test(version ?? '') || !integrity?.startsWith('sha512-')),
    ).toEqual([])
  })

  it.each([
    ['fastify', [5, 8, 5]],
    ['@fastify/reply-from', [12, 6, 4]],
    ['undici', [7, 24, 0]],
  ])('is %s no older than its last known hole', (name, [major = 0, minor = 0, patch = 0]) => {
    const versions = locked
      .filter(([path]) => path.endsWith(`node_modules/${name}`))
      .map(([, { version }]) => version ?? '')
    expect(versions.length).toBeGreaterThan(0)
    for (const version of versions) {
      const [a = 0, b = 0, c = 0] = version.split('.').map(Number)
      expect(a * 1e8 + b * 1e4 + c).toBeGreaterThanOrEqual(major * 1e8 + minor * 1e4 + patch)
    }
  })
})

describe('the audit of what others wrote (B292)', () => {
  /** Runs it against a registry that answers what `advise` says. */
  async function audit(advise: (names: readonly string[]) => { status: number; body: unknown }) {
    const registry = await startPlainServer(async (request, response) => {
      const body = await buffer(request)
      const asked =
        request.method === 'POST'
          ? JSON.parse(String(request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body))
          : {}
      const answer = request.method === 'POST' ? advise(Object.keys(asked)) : { status: 404, body: {} }
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(JSON.stringify(answer.body))
    })
    // npm remembers advisories.
    const cache = mkdtempSync(join(tmpdir(), 'gatehouse-audit-'))
    const env = { ...process.env, npm_config_registry: new URL('/', registry.url).href, npm_config_cache: cache }
    const child = spawn(process.execPath, [AUDIT], { env })
    const [said, [code]] = await Promise.all([text(child.stdout), once(child, 'close')])
    await registry.close()
    rmSync(cache, { recursive: true })
    return { said, code }
  }

  const hole = (severity: string) => ({
    status: 200,
    body: { fastify: [{ id: 1, url: 'https://example.com/1', title: 'a hole', severity, vulnerable_versions: '<99' }] },
  })

  it('fails when the registry knows of a grave hole', async () => {
    const { said, code } = await audit((names) =>
      names.includes('fastify') ? hole('high') : { status: 500, body: {} },
    )
    expect(said).toMatch(/^high: fastify /m)
    expect(code).toBe(1)
  })

  it.each<[string, { status: number; body: unknown }]>([
    ['a smaller one', hole('moderate')],
    ['none', { status: 200, body: {} }],
    ['nothing about holes at all', { status: 405, body: {} }],
  ])('passes when the registry knows of %s', async (_, answer) => {
    expect((await audit(() => answer)).code).toBe(0)
  })
})
