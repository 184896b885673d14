import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ALICE } from '../fixtures/password-provider.ts'
import { type DemoGateway, startDemoGateway } from './demo-gateway.ts'
import { type FakeBrowser, startFakeBrowser } from './fake-browser.ts'

const MCP_REMOTE = fileURLToPath(new URL('../../node_modules/mcp-remote/dist/proxy.js', import.meta.url))

let demo: DemoGateway
let browser: FakeBrowser
let home: string

beforeAll(async () => {
  demo = await startDemoGateway()
  browser = await startFakeBrowser(ALICE)
  home = mkdtempSync(join(tmpdir(), 'gatehouse-mcp-remote-'))
})

afterAll(async () => {
  await browser?.close()
  await demo?.close()
  rmSync(home, { recursive: true, force: true })
})

/** What a stdio-only client gets from `whoami` through mcp-remote, started as users configure it. */
async function whoami(): Promise<{ credential: string; user: string }> {
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [MCP_REMOTE, demo.url],
    env: { ...browser.env, HOME: home },
    stderr: 'ignore',
  })
  const client = new Client({ name: 'a stdio-only client', version: '1.0.0' })
  await client.connect(transport)
  try {
    const { content } = await client.callTool({ name: 'whoami', arguments: {} })
    return JSON.parse((content as { text: string }[])[0]?.text ?? '')
  } finally {
    await client.close()
  }
}

/** The files that mcp-remote keeps, whose names end in `_${kind}.json`. */
function kept(kind: string): Record<string, string> {
  const directories = readdirSync(join(home, '.mcp-auth'), { recursive: true, encoding: 'utf8' })
  const file = directories.find((name) => name.endsWith(`_${kind}.json`))
  if (file === undefined) throw new Error(`mcp-remote keeps no ${kind}: ${directories}`)
  return JSON.parse(readFileSync(join(home, '.mcp-auth', file), 'utf8'))
}

describe('the real mcp-remote', () => {
  it('discovers, registers, signs in and calls a tool with the shared credential (R-01, R-07)', async () => {
    expect(await whoami()).toMatchObject({ credential: demo.fingerprint, user: ALICE.username })
    expect(browser.opened).toHaveLength(1)
    const [asked] = browser.opened
    expect(asked?.searchParams.get('resource')).toBe(demo.url)
    expect(asked?.searchParams.get('redirect_uri')).toMatch(/^http:\/\/localhost:\d+\/oauth\/callback$/)
    expect(browser.ends[0]?.body).toContain('Authorization successful')
    expect(kept('client_info')).toMatchObject({ token_endpoint_auth_method: 'none' })
    expect(kept('tokens')).toMatchObject({ access_token: expect.stringMatching(/^mgh_at_/), token_type: 'Bearer' })
  })

  it('stays signed in when it is started again', async () => {
    expect(await whoami()).toMatchObject({ credential: demo.fingerprint })
    expect(browser.opened).toHaveLength(1)
  })

  it('refreshes a token that is no longer good, and asks nobody (T-15, RFC 6749 §6)', async () => {
    const { access_token: token = '', refresh_token: former } = kept('tokens')
    const { client_id: client = '' } = kept('client_info')
    const revoked = await fetch(`${demo.gateway.issuer}/revoke`, {
      method: 'POST',
      body: new URLSearchParams({ token, client_id: client }),
    })
    expect(revoked.status).toBe(200)
    expect(await whoami()).toMatchObject({ credential: demo.fingerprint })
    expect(browser.opened).toHaveLength(1)
    expect(kept('tokens').refresh_token).not.toBe(former)
    expect(demo.gateway.output()).toContain('"event":"token_refreshed"')
  })
})
