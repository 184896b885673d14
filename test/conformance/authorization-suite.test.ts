import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../fixtures/free-port.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { ALICE, passwordProviders } from '../fixtures/password-provider.ts'
import { walkAuthorization } from '../fixtures/walk.ts'

const SUITE = fileURLToPath(import.meta.resolve('@modelcontextprotocol/conformance/dist/index.js'))
const CLIENT_ID = 'conformance'

/** One check of the suite, as it writes them down. */
interface Check {
  readonly id: string
  readonly status: string
}

let gateway: TestGateway
let directory: string
let port: number

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gatehouse-conformance-'))
  port = await freePort()
  gateway = await startTestGateway({
    providers: await passwordProviders(),
    routes: { '/mcp': { upstream: `http://127.0.0.1:${await freePort()}/mcp`, sign_in: 'home' } },
    clients: { static: [{ client_id: CLIENT_ID, redirect_uris: [`http://127.0.0.1:${port}/callback`] }] },
  })
})

afterAll(async () => {
  await gateway?.close()
  await rm(directory, { recursive: true })
})

/** Runs the suite's `authorization` command; wherever it prints an address to open, Alice opens it. */
async function runSuite(): Promise<{ readonly code: number | null; readonly output: string }> {
  const parameters = ['--url', gateway.issuer, '--client-id', CLIENT_ID, '-p', String(port), '-o', directory]
  const child = spawn(process.execPath, [SUITE, 'authorization', ...parameters], {
    env: { PATH: process.env.PATH, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const closed = once(child, 'close')
  let output = ''
  for await (const line of createInterface({ input: child.stdout })) {
    output += `${line}\n`
    const url = /https?:\/\/\S+\/authorize\?\S+/.exec(line)?.[0]
    if (url === undefined) continue
    // The suite would wait five minutes for somebody who does not come back.
    open(url).catch((error: unknown) => {
      output += `${error}\n`
      child.kill('SIGKILL')
    })
  }
  const [code] = await closed
  return { code, output }
}

async function open(url: string): Promise<void> {
  const redirectUri = new URL(url).searchParams.get('redirect_uri') ?? ''
  await fetch(await walkAuthorization(url, redirectUri, ALICE))
}

async function readChecks(): Promise<readonly Check[]> {
  const files = (await readdir(directory, { recursive: true })).filter((file) => file.endsWith('checks.json'))
  const checks = files.map(async (file): Promise<Check[]> => JSON.parse(await readFile(join(directory, file), 'utf8')))
  return (await Promise.all(checks)).flat()
}

describe('the official conformance suite, as an OAuth client of this authorization server', () => {
  it('passes both of its scenarios (RFC 8414, RFC 6749 §4.1, RFC 7636, RFC 9207)', async () => {
    const { code, output } = await runSuite()
    expect(code, output).toBe(0)
    const checks = await readChecks()
    const passed = checks.filter(({ status }) => status === 'SUCCESS').map(({ id }) => id)
    expect(passed).toEqual(expect.arrayContaining(['authorization-server-metadata', 'authorization-code-grant']))
    expect(checks.filter(({ status }) => status === 'FAILURE')).toEqual([])
  })
})
