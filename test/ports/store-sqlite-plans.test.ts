import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { openSqliteStore } from '../../src/storage/sqlite.ts'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { callMcp } from '../fixtures/mcp-call.ts'
import { registerClient } from '../fixtures/oauth-client.ts'
import { ALICE, passwordProviders } from '../fixtures/password-provider.ts'
import { type PlainServer, startPlainServer } from '../fixtures/plain-server.ts'

const TABLE = /\b(?:from|update|into|join) "?(\w+)"?/gi
const prepared = new Set<string>()
let gateway: TestGateway
let server: PlainServer
const directory = mkdtempSync(join(tmpdir(), 'gatehouse-plans-'))

beforeAll(async () => {
  const spy = vi.spyOn(Database.prototype, 'prepare').mockImplementation(function (
    this: Database.Database,
    sql: string,
  ) {
    prepared.add(sql)
    return original.call(this, sql)
  } as typeof Database.prototype.prepare)
  server = await startPlainServer((request, response) => {
    request.resume()
    response.writeHead(200, { 'content-type': 'application/json', 'mcp-session-id': 'a-session' }).end('{}')
  })
  gateway = await startTestGateway({
    database: `sqlite:${join(directory, 'gatehouse.db')}`,
    providers: await passwordProviders(),
    routes: { '/mcp': { upstream: server.url, sign_in: 'home' } },
  })
  const client = await registerClient(gateway.issuer)
  const resource = `${gateway.issuer}/mcp`
  const tokens = await client.obtain(resource, ALICE)
  const headers = { 'mcp-session-id': 'a-session' }
  await callMcp(resource, tokens.access_token)
  await callMcp(resource, tokens.access_token, { headers })
  await callMcp(resource, 'mgh_at_nobody')
  const second = await client.refresh(tokens.refresh_token)
  await callMcp(resource, second.access_token, { method: 'DELETE', headers })
  const body = new URLSearchParams({ token: second.refresh_token, client_id: client.clientId })
  await fetch(`${gateway.issuer}/revoke`, { method: 'POST', body })
  await gateway.close()
  const store = await openSqliteStore({ file: join(directory, 'gatehouse.db') })
  await store.takeEnded(Date.now(), 200)
  await store.deleteExpired(Date.now(), 200, { clients: Date.now(), sharedCredentials: Date.now() })
  await store.close()
  spy.mockRestore()
})
afterAll(async () => {
  await server.close()
  rmSync(directory, { recursive: true })
})

const original = Database.prototype.prepare

it('whatever is looked up while people sign in and call, and whatever has ended, is found by an index, however much there is (C47, C71)', () => {
  const database = new Database(join(directory, 'gatehouse.db'), { readonly: true })
  const plans = [...prepared]
    .filter(
      (sql) =>
        /^\s*(?:select|update|delete|insert)\b/i.test(sql) && /\bwhere\b/i.test(sql) && !sql.includes('sqlite_schema'),
    )
    .map((sql) => {
      const steps = database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...Array(parametersOf(sql)).fill(null))
      return {
        sql,
        scans: (steps as { detail: string }[]).filter(({ detail }) => /^SCAN\b(?!.*\bINDEX\b)/.test(detail)),
      }
    })
  database.close()
  const tables = new Set(plans.flatMap(({ sql }) => [...sql.matchAll(TABLE)].map(([, table]) => table)))
  for (const table of ['access_tokens', 'grants', 'clients', 'sessions']) expect(tables).toContain(table)
  expect(plans.filter(({ scans }) => scans.length > 0).map(({ sql, scans }) => [sql, scans[0]?.detail])).toEqual([])
})

function parametersOf(sql: string): number {
  return sql.match(/\?/g)?.length ?? 0
}
