import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { json, text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../fixtures/free-port.ts'
import { ALICE } from '../fixtures/password-provider.ts'
import { type DemoGateway, startDemoGateway } from './demo-gateway.ts'
import { type FakeBrowser, startFakeBrowser } from './fake-browser.ts'

const INSPECTOR = fileURLToPath(
  new URL('../../node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js', import.meta.url),
)

let demo: DemoGateway
let browser: FakeBrowser
let home: string
/** On a free port instead of its own 6276, because several runs of these tests may share a computer. */
let callback: string

beforeAll(async () => {
  callback = `http://127.0.0.1:${await freePort()}/oauth/callback`
  demo = await startDemoGateway()
  browser = await startFakeBrowser(ALICE)
  home = mkdtempSync(join(tmpdir(), 'gatehouse-inspector-'))
})

afterAll(async () => {
  await browser?.close()
  await demo?.close()
  rmSync(home, { recursive: true, force: true })
})

/** `mcp-inspector --cli` with these options: exit code, the JSON it printed, and what it said besides. */
async function inspect(...options: string[]): Promise<{ code: number; result: unknown; said: string }> {
  const child = spawn(
    process.execPath,
    [INSPECTOR, '--cli', demo.url, '--format', 'json', '--callback-url', callback, ...options],
    {
      // Without a terminal it signs in only when told that a browser may be opened.
      env: { ...browser.env, HOME: home, MCP_AUTO_OPEN_ENABLED: 'true', MCP_INSPECTOR_SECRET_STORE: 'file' },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  const ended = once(child, 'close')
  const said = text(child.stderr)
  const result = await json(child.stdout).catch(() => undefined)
  const [code] = await ended
  return { code, result: (result as { result?: unknown } | undefined)?.result, said: await said }
}

/** The only such text in all the files that the Inspector keeps. */
function kept(pattern: RegExp): string {
  const files = readdirSync(home, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const found = new Set(
    files.flatMap((file) => readFileSync(join(file.parentPath, file.name), 'utf8').match(pattern) ?? []),
  )
  const [only, ...more] = found
  if (only === undefined || more.length > 0) throw new Error(`the Inspector keeps ${found.size} of ${pattern}`)
  return only
}

const WHOAMI = ['--transport', 'http', '--method', 'tools/call', '--tool-name', 'whoami']

describe("the real Inspector's CLI", () => {
  it.each(['legacy', 'modern'])('signs in and calls a tool on the %s wire (R-01, R-07)', async (era) => {
    const before = browser.opened.length
    const relogin = await inspect(...WHOAMI, '--protocol-era', era, '--relogin')
    expect(relogin.said).toContain('Authorization complete')
    expect(relogin.code).toBe(0)
    expect(relogin.result).toMatchObject({ content: [{ text: expect.stringContaining(demo.fingerprint) }] })
    expect(browser.opened).toHaveLength(before + 1)
    const asked = browser.opened.at(-1)?.searchParams
    expect(asked?.get('redirect_uri')).toBe(callback)
    expect(asked?.get('resource')).toBe(demo.url)
    expect(browser.ends.at(-1)?.body).toContain('OAuth complete')
  })

  it('stays signed in for the next run', async () => {
    const before = browser.opened.length
    const { code, result } = await inspect(...WHOAMI, '--stored-auth-only')
    expect(code).toBe(0)
    expect(result).toMatchObject({ content: [{ text: expect.stringContaining(ALICE.username) }] })
    expect(browser.opened).toHaveLength(before)
  })

  it('refreshes a token that is no longer good, and asks nobody (T-15, RFC 6749 §6)', async () => {
    const before = browser.opened.length
    const revoked = await fetch(`${demo.gateway.issuer}/revoke`, {
      method: 'POST',
      body: new URLSearchParams({ token: kept(/mgh_at_[\w-]+/g), client_id: kept(/client-[\w-]{22}/g) }),
    })
    expect(revoked.status).toBe(200)
    const { code } = await inspect(...WHOAMI)
    expect(code).toBe(0)
    expect(browser.opened).toHaveLength(before)
    expect(demo.gateway.output()).toContain('"event":"token_refreshed"')
  })
})
