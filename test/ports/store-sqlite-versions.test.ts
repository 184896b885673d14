import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { migrateSqlite, openSqliteStore } from '../../src/storage/sqlite.ts'

const DIRECTORY = new URL('../../migrations/sqlite/', import.meta.url)
const MIGRATIONS = readdirSync(DIRECTORY).sort()
const END = 4_000_000_000_000

/** Rows of a grant in use, from the version on that has a table for them; columns that came later are left out. */
const ROWS: readonly (readonly [since: number, sql: string])[] = [
  [
    1,
    `INSERT INTO clients (client_id, origin, redirect_uris, token_endpoint_auth_method, grant_types, application_type, created_at)
     VALUES ('client', 'registered', '["http://127.0.0.1/callback"]', 'none', '["authorization_code"]', 'native', 1)`,
  ],
  [
    1,
    `INSERT INTO grants (id, client_id, route_path, resource, scopes, sealed_identity, status, generation, rotated_at, created_at, expires_at)
     VALUES ('grant', 'client', '/mcp', 'https://a.example/mcp', '["mcp"]', 'sealed', 'active', 3, 1, 1, ${END}),
            ('ended', 'client', '/mcp', 'https://a.example/mcp', '["mcp"]', 'sealed', 'revoked', 1, 1, 1, ${END})`,
  ],
  [1, `INSERT INTO access_tokens VALUES ('access', 'grant', '["mcp"]', ${END})`],
  [
    1,
    "INSERT INTO credentials (id, grant_id, version, sealed, state) VALUES ('credential', 'grant', 2, 'sealed', 'live')",
  ],
  [1, `INSERT INTO interactions VALUES ('interaction', 1, 'sealed', ${END})`],
  [3, `INSERT INTO consumed VALUES ('jti', ${END})`],
  [5, `INSERT INTO sessions VALUES ('session', 'grant', ${END}), ('left behind', 'ended', ${END})`],
  [8, "INSERT INTO upstream_clients VALUES ('corp', 'client', 1, 'sealed', 1)"],
]

let directory: string
let file: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gatehouse-versions-'))
  file = join(directory, 'gatehouse.db')
})
afterEach(() => rmSync(directory, { recursive: true }))

describe('a database of an earlier version', () => {
  it.each(MIGRATIONS.map((name, index): [string, number] => [name, index + 1]))(
    'that ends with %s is brought up to date with everything in it (C05)',
    async (_, version) => {
      writtenBy(version)
      expect(await migrateSqlite({ file })).toEqual({ applied: MIGRATIONS.slice(version) })
      const store = await openSqliteStore({ file })
      const found = await store.findAccess('access')
      expect(found).toMatchObject({
        grant: { id: 'grant', generation: 3 },
        credential: { id: 'credential', version: 2 },
      })
      expect(await store.findClient('client')).toMatchObject({ clientId: 'client', createdAt: 1 })
      expect(await store.findInteraction('interaction', 1)).toMatchObject({ sealed: 'sealed' })
      if (version >= 3) expect(await store.consumeOnce('jti', END, 1)).toBe(false)
      if (version >= 5) expect(await store.findSession('session')).toMatchObject({ grantId: 'grant' })
      if (version >= 8) expect(await store.findUpstreamClient('corp', 'client')).toMatchObject({ version: 1 })
      const next = { hash: 'next', grantId: 'grant', scopes: [], expiresAt: END }
      expect(await store.advanceGeneration('grant', 3, next, 2, 1)).toBe('rotated')
      await store.revokeGrant('grant')
      for (const lost of [await store.findSession('session'), await store.findAccess('access')])
        expect(lost).toBeUndefined()
      await store.close()
      const database = new Database(file)
      expect(database.pragma('integrity_check', { simple: true })).toBe('ok')
      expect(database.pragma('foreign_key_check')).toEqual([])
      database.close()
    },
  )
})

function writtenBy(version: number): void {
  const database = new Database(file)
  database.exec('CREATE TABLE schema_migrations (name TEXT PRIMARY KEY NOT NULL) STRICT, WITHOUT ROWID')
  const record = database.prepare('INSERT INTO schema_migrations (name) VALUES (?)')
  for (const name of MIGRATIONS.slice(0, version)) {
    database.exec(readFileSync(new URL(name, DIRECTORY), 'utf8'))
    record.run(name)
  }
  for (const [since, sql] of ROWS) if (since <= version) database.exec(sql)
  database.close()
}
