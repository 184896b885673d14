import { text } from 'node:stream/consumers'
import Database from 'better-sqlite3'
import { afterEach, describe, expect, it } from 'vitest'
import { hasExpired } from '../../src/domain/credential.ts'
import { Secret } from '../../src/domain/secret.ts'
import { createVault, openTokens, sealTokens } from '../../src/vault.ts'
import { type SpawnedGateway, spawnTestGateway, startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { type LedgerProvider, startLedgerProvider } from '../fixtures/ledger-provider.ts'
import { callMcp } from '../fixtures/mcp-call.ts'
import { installMovableClock, type MovableClock } from '../fixtures/movable-clock.ts'
import { registerClient } from '../fixtures/oauth-client.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'

const TTL_MS = 10 * 60_000
const GRACE_MS = 30_000

let clock: MovableClock
let provider: LedgerProvider
/** Stands between the gateway and the provider's token endpoint. */
let front: PlainServer
let server: PlainServer
let gateway: TestGateway
/** What happens while a refresh is under way; a status is the answer to it. */
let meanwhile: (() => Promise<number | undefined>) | undefined
/** Called when the token endpoint has answered. */
let whenAnswered: (() => void) | undefined
/** The access tokens that the MCP server was sent. */
let sent: string[]

afterEach(async () => {
  await gateway?.close()
  await Promise.all([front?.close(), server?.close(), provider?.close()])
  clock?.restore()
})

async function prepare(ttlMs = TTL_MS) {
  sent = []
  whenAnswered = undefined
  clock = installMovableClock()
  provider = await startLedgerProvider({ graceMs: GRACE_MS, accessTtlSeconds: ttlMs / 1000 })
  front = await startPlainServer(async (request, response) => {
    const body = await text(request)
    const happens = body.includes('grant_type=refresh_token') ? meanwhile : undefined
    meanwhile = happens ? undefined : meanwhile
    const status = await happens?.()
    const answer = status === undefined ? await exchange(body) : Response.json({ error: 'invalid_grant' }, { status })
    response.on('finish', () => whenAnswered?.())
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text())
  })
  server = await startPlainServer(({ headers }, response) => {
    const token = headers.authorization?.replace('Bearer ', '') ?? ''
    sent.push(token)
    response.end('{}')
  })
  return {
    providers: { corp: { ...provider.yaml, token_endpoint: front.url } },
    routes: { '/mcp': { upstream: server.url, sign_in: 'corp', credential: { kind: 'provider-token' } } },
  }
}

function exchange(body: string): Promise<Response> {
  return fetch(`${provider.url}/token`, { method: 'POST', body: new URLSearchParams(body) })
}

const signIn = async (on: TestGateway) =>
  (await (await registerClient(on.issuer)).obtain(`${on.issuer}/mcp`)).access_token

/** The credential in the database, open. */
async function credential() {
  const database = new Database(gateway.databaseFile)
  const row = database.prepare('SELECT id, grant_id AS grantId, version, sealed FROM credentials').get() as {
    readonly id: string
    readonly grantId: string
    readonly version: number
    readonly sealed: string
  }
  const owner = { id: row.id, grantId: row.grantId, routePath: '/mcp', provider: 'corp' }
  const vault = createVault([new Secret(gateway.encryptionKey)])
  const tokens = await openTokens(vault, owner, row.sealed)
  return { database, row, owner, vault, tokens, accessToken: tokens.accessToken.reveal() }
}

/** What another process does to which the lease has passed: refreshes, and stores that. Returns its access token. */
async function refreshElsewhere(): Promise<string> {
  const { database, row, owner, vault, tokens } = await credential()
  const refresh_token = tokens.refreshToken?.reveal() ?? ''
  const answer = await exchange(`${new URLSearchParams({ grant_type: 'refresh_token', refresh_token })}`)
  const issued = (await answer.json()) as { access_token: string; refresh_token: string }
  const expiresAt = Date.now() + TTL_MS
  const sealed = await sealTokens(vault, owner, {
    accessToken: new Secret(issued.access_token),
    refreshToken: new Secret(issued.refresh_token),
    obtainedAt: Date.now(),
    expiresAt,
  })
  database
    .prepare(
      'UPDATE credentials SET version = version + 1, sealed = ?, expires_at = ?, lease_until = NULL, presented_at = NULL WHERE id = ?',
    )
    .run(sealed, expiresAt, row.id)
  database.close()
  return issued.access_token
}

describe('a refresh that comes back when its lease has passed to somebody else, who has refreshed (C09)', () => {
  it.each([
    ['was answered with tokens, in the grace', undefined],
    ['was refused', 400],
  ])('replaces nothing although it %s: its callers get the newer tokens', async (_, status) => {
    gateway = await startTestGateway(await prepare())
    const token = await signIn(gateway)
    clock.advance(TTL_MS)
    let newer = ''
    meanwhile = async () => {
      newer = await refreshElsewhere()
      return status
    }
    const answers = await Promise.all([1, 2, 3].map(() => callMcp(`${gateway.issuer}/mcp`, token)))
    expect(answers.map((answer) => answer.status)).toEqual([200, 200, 200])
    expect(sent).toEqual([newer, newer, newer])
    const stored = await credential()
    expect([stored.row.version, stored.accessToken]).toEqual([2, newer])
    stored.database.close()

    // And the next refresh goes on from there.
    clock.advance(TTL_MS)
    expect((await callMcp(`${gateway.issuer}/mcp`, token)).status).toBe(200)
    expect(provider.violations).toEqual([])
  })
})

describe('a process that stands still in the middle of a refresh (SIGSTOP, C09)', () => {
  it('goes on where it was: nobody is logged out, calls are answered, and nothing is presented twice', async () => {
    const spawned: SpawnedGateway = await spawnTestGateway(await prepare(3000))
    gateway = spawned
    const token = await signIn(spawned)
    const answered = Promise.withResolvers<void>()
    meanwhile = async () => {
      spawned.process().signal('SIGSTOP')
      whenAnswered = answered.resolve
      return undefined
    }
    const url = `${spawned.issuer}/mcp`
    const { accessToken, tokens, database } = await credential()
    database.close()
    // By the gateway's own reckoning, which began when the provider's answer had come.
    const isOver = () => hasExpired(tokens, Date.now())
    await expect.poll(isOver, { timeout: 10_000 }).toBe(true)
    const calls = Promise.all([1, 2, 3].map(() => callMcp(url, token)))
    // The successor lies there, and nobody reads it.
    await answered.promise
    const ready = fetch(`${spawned.operations}/readyz`)
    spawned.process().signal('SIGCONT')
    expect((await calls).map((answer) => answer.status)).toEqual([200, 200, 200])
    expect((await ready).status).toBe(200)
    expect(sent).not.toContain(accessToken)
    expect(provider.violations).toEqual([])
  })
})
