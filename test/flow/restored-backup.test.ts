import { copyFileSync, rmSync } from 'node:fs'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type SpawnedGateway, spawnTestGateway } from '../fixtures/gateway.ts'
import {
  callRoute,
  type KnownClient,
  obtainTokens,
  refresh,
  register,
  revoke,
  type Tokens,
} from '../fixtures/oauth-requests.ts'
import { ALICE, passwordProviders } from '../fixtures/password-provider.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'

/** As docs/operations.md says it. */
const END_ALL_GRANTS =
  'DELETE FROM access_tokens; DELETE FROM codes; DELETE FROM sessions; DELETE FROM credentials WHERE grant_id IS NOT NULL; DELETE FROM grants;'

let server: PlainServer
let gateway: SpawnedGateway
let client: KnownClient
let kept: Tokens
let revoked: Tokens
let backup: string

const statusOf = async ({ accessToken }: Tokens) => (await callRoute(`${gateway.issuer}/mcp`, accessToken)).status

beforeEach(async () => {
  server = await startPlainServer((_, response) => response.end('{}'))
  gateway = await spawnTestGateway({
    providers: await passwordProviders(),
    routes: { '/mcp': { upstream: server.url, sign_in: 'home' } },
  })
  client = await register(gateway.issuer)
  kept = await obtainTokens(gateway.issuer, client, {}, ALICE)
  revoked = await obtainTokens(gateway.issuer, client, {}, ALICE)
  backup = `${gateway.databaseFile}.backup`
  const reader = new Database(gateway.databaseFile, { readonly: true })
  reader.prepare('VACUUM INTO ?').run(backup)
  reader.close()
  expect((await revoke(gateway.issuer, client, revoked.refreshToken)).status).toBe(200)
  expect([await statusOf(kept), await statusOf(revoked)]).toEqual([200, 401])
})
afterEach(async () => {
  await gateway?.close()
  await server?.close()
})

async function restore(statements = ''): Promise<void> {
  await gateway.kill()
  for (const suffix of ['', '-wal', '-shm']) rmSync(gateway.databaseFile + suffix, { force: true })
  copyFileSync(backup, gateway.databaseFile)
  const database = new Database(gateway.databaseFile)
  database.exec(statements)
  database.close()
  await gateway.restart()
}

describe('a copy that was made while the gateway ran, and put in its place later (C46)', () => {
  it('opens, and knows what was known then: whoever was signed in goes on, revoked since or not', async () => {
    await restore()
    expect([await statusOf(kept), await statusOf(revoked)]).toEqual([200, 200])
    expect((await refresh(gateway.issuer, client, kept.refreshToken)).status).toBe(200)
  })

  it('brings nothing of that back when all authorizations are ended first, and clients stay registered', async () => {
    await restore(END_ALL_GRANTS)
    expect([await statusOf(kept), await statusOf(revoked)]).toEqual([401, 401])
    expect((await refresh(gateway.issuer, client, revoked.refreshToken)).json()).toMatchObject({
      error: 'invalid_grant',
    })
    expect(await statusOf(await obtainTokens(gateway.issuer, client, {}, ALICE))).toBe(200)
  })
})
