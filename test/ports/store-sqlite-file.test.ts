import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import Database from 'better-sqlite3'
import { getTableConfig, type SQLiteTable } from 'drizzle-orm/sqlite-core'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { migrateSqlite, openSqliteStore } from '../../src/storage/sqlite.ts'
import * as schema from '../../src/storage/sqlite-schema.ts'
import { type Store, StoreRefused, StoreUnavailable } from '../../src/storage/store.ts'

const END = 4_000_000_000_000
const MIGRATIONS = readdirSync(new URL('../../migrations/sqlite/', import.meta.url)).sort()

let directory: string
let file: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gatehouse-file-'))
  file = join(directory, 'data', 'gatehouse.db')
})
afterEach(() => rmSync(directory, { recursive: true }))

describe('the files of an SQLite store', () => {
  it('are for their owner alone, directory included (B281)', async () => {
    const store = await openSqliteStore({ file })
    await createGrant(store, 'grant', 'sealed')
    expect(mode(join(directory, 'data'))).toBe(0o700)
    const files = readdirSync(join(directory, 'data')).sort()
    expect(files).toEqual(['gatehouse.db', 'gatehouse.db-shm', 'gatehouse.db-wal', 'gatehouse.db.lock'])
    for (const name of files) expect(mode(join(directory, 'data', name))).toBe(0o600)
    await store.close()
  })

  it('hold nothing of a revoked credential once the collection has passed (B281, V-03)', async () => {
    const store = await openSqliteStore({ file })
    const [secret, kept] = ['canary-of-the-revoked-credential', 'canary-of-the-other-credential']
    await createGrant(store, 'revoked', secret.repeat(300))
    await createGrant(store, 'kept', kept.repeat(300))
    expect(bytesOnDisk()).toContain(secret)
    await store.revokeGrant('revoked')
    await store.deleteExpired(1, 10)
    expect(bytesOnDisk()).not.toContain(secret)
    expect(bytesOnDisk()).toContain(kept)
    await store.close()
  })

  it('hold up nobody while a backup reads in them, and are emptied of what was revoked once it is done (C47, B281)', async () => {
    const store = await openSqliteStore({ file })
    await createGrant(store, 'revoked', 'canary-of-the-revoked-credential')
    const backup = new Database(file)
    backup.exec('BEGIN')
    backup.prepare('SELECT count(*) FROM grants').get()
    await store.revokeGrant('revoked')
    const pragma = vi.spyOn(Database.prototype, 'pragma')
    expect(await store.deleteExpired(1, 10)).toBeGreaterThan(0)
    // The driver is synchronous: whatever waits stops the whole process.
    const asked = pragma.mock.calls.map(([sql]) => sql)
    expect(asked).toEqual(['busy_timeout = 0', 'wal_checkpoint(TRUNCATE)', 'busy_timeout = 1000'])
    pragma.mockRestore()
    expect(bytesOnDisk()).toContain('canary-of-the-revoked-credential')
    backup.exec('COMMIT')
    backup.close()
    expect(await store.deleteExpired(1, 10)).toBe(0)
    expect(bytesOnDisk()).not.toContain('canary-of-the-revoked-credential')
    await store.close()
  })

  it('refuse writes and readiness when they were removed or replaced under the process (C42)', async () => {
    const store = await openSqliteStore({ file })
    await createGrant(store, 'before', 'sealed')
    renameSync(file, `${file}.moved`)
    await expect(store.ping()).rejects.toThrow(StoreUnavailable)
    writeFileSync(file, '')
    await expect(createGrant(store, 'during', 'sealed')).rejects.toThrow(StoreUnavailable)
    rmSync(file)
    renameSync(`${file}.moved`, file)
    await expect(store.ping()).resolves.toBeUndefined()
    await createGrant(store, 'after', 'sealed')
    await store.close()
  })

  it('are given back when opening fails, so that the next attempt finds them free', async () => {
    await migrateSqlite({ file })
    const good = readFileSync(file)
    writeFileSync(file, 'not a database, but long enough to be read as one'.repeat(100))
    await expect(openSqliteStore({ file })).rejects.toThrow(StoreRefused)
    writeFileSync(file, good)
    await (await openSqliteStore({ file })).close()
  })
})

describe('an SQLite file that cannot be trusted is refused with what to do about it', () => {
  it('when it is not a database, or pages of it are damaged (C43)', async () => {
    const store = await openSqliteStore({ file })
    for (let count = 0; count < 50; count++) await createGrant(store, `grant ${count}`, 'sealed'.repeat(500))
    await store.close()
    const good = readFileSync(file)
    const damaged = Buffer.from(good)
    for (let page = 2; page < damaged.length / 4096; page += 3) damaged.fill(0xa5, page * 4096, page * 4096 + 200)
    const header = Buffer.from(good).fill(0, 0, 16)
    for (const content of [damaged, header, Buffer.from('{}'.repeat(1_000))]) {
      writeFileSync(file, content)
      await expect(openSqliteStore({ file })).rejects.toThrow(StoreRefused)
      await expect(openSqliteStore({ file })).rejects.toThrow(
        /is damaged or is not an SQLite database.*restore a backup/,
      )
    }
    expect(readFileSync(file, 'utf8')).toBe('{}'.repeat(1_000))
    writeFileSync(file, good)
    await (await openSqliteStore({ file })).close()
  })

  it('when another program keeps its tables there, which stay as they are', async () => {
    await (await openSqliteStore({ file })).close()
    const foreign = join(directory, 'foreign.db')
    const database = new Database(foreign)
    database.exec('CREATE TABLE invoices (id INTEGER)')
    database.close()
    const before = readFileSync(foreign)
    await expect(openSqliteStore({ file: foreign })).rejects.toThrow(/is the database of another program/)
    expect(readFileSync(foreign).equals(before)).toBe(true)
  })

  it('when a path runs through a file', async () => {
    await (await openSqliteStore({ file })).close()
    const opening = openSqliteStore({ file: join(file, 'x.db') })
    await expect(opening).rejects.toThrow(/^Cannot create the directory .*choose another path/)
  })

  it('when its lock file is something else', async () => {
    await (await openSqliteStore({ file })).close()
    writeFileSync(`${file}.lock`, 'a note somebody left here'.repeat(100))
    await expect(openSqliteStore({ file })).rejects.toThrow(/^Cannot lock .*remove it/)
    rmSync(`${file}.lock`)
    mkdirSync(`${file}.lock`)
    await expect(openSqliteStore({ file })).rejects.toThrow(/^Cannot lock .*writable/)
    rmdirSync(`${file}.lock`)
    await (await openSqliteStore({ file })).close()
  })
})

describe('migrations of SQLite', () => {
  it('are applied once, all in order, and named', async () => {
    expect(await migrateSqlite({ file })).toEqual({ applied: MIGRATIONS })
    expect(await migrateSqlite({ file })).toEqual({ applied: [] })
    await (await openSqliteStore({ file })).close()
  })

  it('are applied by opening the store, too', async () => {
    await (await openSqliteStore({ file })).close()
    expect(await migrateSqlite({ file })).toEqual({ applied: [] })
  })

  it('refuse a database that a newer version has written, and leave it alone', async () => {
    await migrateSqlite({ file })
    alter("INSERT INTO schema_migrations (name) VALUES ('9999_from_the_future.sql')")
    await expect(openSqliteStore({ file })).rejects.toThrow(StoreRefused)
    await expect(migrateSqlite({ file })).rejects.toThrow(/written by a newer version.*Start that version/)
    alter("DELETE FROM schema_migrations WHERE name LIKE '9999%'")
    await (await openSqliteStore({ file })).close()
  })

  it('leave nothing behind when one of them fails', async () => {
    await migrateSqlite({ file })
    // Recorded as missing, its tables are there: applying it again must fail.
    alter('DELETE FROM schema_migrations')
    alter('DROP TABLE clients')
    await expect(migrateSqlite({ file })).rejects.toThrow(StoreRefused)
    const database = new Database(file)
    expect(database.prepare("SELECT name FROM sqlite_schema WHERE name = 'clients'").all()).toEqual([])
    expect(database.prepare('SELECT name FROM schema_migrations').all()).toEqual([])
    database.close()
  })

  it('create exactly the tables, columns, keys and indexes that the schema in TypeScript describes', async () => {
    await migrateSqlite({ file })
    const database = new Database(file)
    const tables = Object.values<SQLiteTable>(schema).map((table) => getTableConfig(table))
    const names = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").pluck().all()
    expect(names.toSorted()).toEqual([...tables.map((table) => table.name), 'schema_migrations'].toSorted())
    for (const table of tables) {
      const columns = table.columns.map((column) => ({
        name: column.name,
        type: column.getSQLType().toUpperCase(),
        notnull: column.notNull ? 1 : 0,
        pk: column.primary ? 1 : 0,
      }))
      const found = database.prepare(`SELECT name, type, "notnull", pk FROM pragma_table_info('${table.name}')`).all()
      expect(found, table.name).toEqual(columns)

      const foreignKeys = table.foreignKeys.map((key) => {
        const { columns, foreignTable, foreignColumns } = key.reference()
        const [from, to] = [columns[0]?.name, foreignColumns[0]?.name]
        return { table: getTableConfig(foreignTable).name, from, to, on_delete: key.onDelete?.toUpperCase() }
      })
      const keys = database.prepare(
        `SELECT "table", "from", "to", on_delete FROM pragma_foreign_key_list('${table.name}')`,
      )
      expect(keys.all(), table.name).toEqual(foreignKeys)

      const indexes = table.indexes.map(({ config }) => ({
        name: config.name,
        unique: config.unique ? 1 : 0,
        partial: config.where ? 1 : 0,
        columns: config.columns.map((column) => ('name' in column ? column.name : '?')).join(),
      }))
      const unique = table.columns.filter((column) => column.isUnique)
      const all = [
        ...indexes,
        ...unique.map((column) => ({ name: column.uniqueName, unique: 1, partial: 0, columns: column.name })),
      ]
      const list = database.prepare(
        `SELECT name, "unique", partial, (SELECT group_concat(coalesce(name, '?')) FROM pragma_index_info(list.name)) AS columns
         FROM pragma_index_list('${table.name}') AS list WHERE origin <> 'pk' ORDER BY name`,
      )
      expect(list.all(), table.name).toEqual(all.toSorted((a, b) => ((a.name ?? '') < (b.name ?? '') ? -1 : 1)))
    }
    database.close()
  })
})

describe('statements on SQLite', () => {
  it('never scan a table, whatever the store is asked to do', async () => {
    const prepare = vi.spyOn(Database.prototype, 'prepare')
    const store = await openSqliteStore({ file })
    await exercise(store)
    await store.close()
    const statements = new Set(
      prepare.mock.calls.map(([sql]) => sql).filter((sql) => /^\s*(select|update|delete)/i.test(sql)),
    )
    prepare.mockRestore()
    const database = new Database(file)
    const searches: string[] = []
    for (const sql of statements) {
      if (/schema_migrations|sqlite_schema/.test(sql)) continue
      const plan = database.prepare(`EXPLAIN QUERY PLAN ${sql}`)
      const parameters = Array.from(sql.matchAll(/\?/g), () => 0)
      const steps = plan.all(...parameters).map((row) => String((row as { detail: unknown }).detail))
      const scans = steps.filter((step) => /^SCAN/.test(step) && !WHOLE_INDEXES.test(step))
      expect(scans, sql).toEqual([])
      searches.push(...steps.filter((step) => step.startsWith('SEARCH')))
    }
    database.close()
    expect(searches.length).toBeGreaterThan(15)
    for (const index of ['expires_at', 'grant_id']) expect(searches.some((step) => step.includes(index))).toBe(true)
  })

  it('find an access token with its grant and credential in one statement', async () => {
    const store = await openSqliteStore({ file })
    await createGrant(store, 'grant', 'sealed')
    await store.redeemCode('code grant', { hash: 'access', grantId: 'grant', scopes: [], expiresAt: END }, 1)
    const prepare = vi.spyOn(Database.prototype, 'prepare')
    const found = await store.findAccess('access')
    expect(found).toMatchObject({ grant: { id: 'grant' }, credential: { sealed: 'sealed' } })
    expect(prepare).not.toHaveBeenCalled()
    prepare.mockRestore()
    await store.close()
  })

  it('void the leases of a process that is gone, since the file is this one’s alone, and keep what it had presented (C01, C13)', async () => {
    const former = await openSqliteStore({ file })
    await createGrant(former, 'grant', 'sealed')
    expect(await former.claimRefresh('credential grant', 1, 1, END)).toEqual({ outcome: 'won' })
    expect(await former.claimRefresh('credential grant', 1, 2, END)).toEqual({ outcome: 'lost' })
    await former.close()
    const store = await openSqliteStore({ file })
    expect(await store.claimRefresh('credential grant', 1, 2, END)).toEqual({ outcome: 'won', presentedAt: 1 })
    await store.close()
  })

  it('reject with StoreUnavailable while another program writes, and work again afterwards', async () => {
    const store = await openSqliteStore({ file })
    const other = new Database(file)
    other.exec('BEGIN IMMEDIATE')
    await expect(createGrant(store, 'grant', 'sealed')).rejects.toThrow(StoreUnavailable)
    await expect(store.findGrant('grant')).resolves.toBeUndefined()
    other.exec('ROLLBACK')
    other.close()
    await createGrant(store, 'grant', 'sealed')
    await store.close()
  })

  it('keep the cause of a failure, and no value in it (O5)', async () => {
    const store = await openSqliteStore({ file })
    await createGrant(store, 'canary-id', 'canary-sealed')
    const error = await createGrant(store, 'canary-id', 'canary-sealed').catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(StoreUnavailable)
    expect((error as Error).cause).toBeInstanceOf(Database.SqliteError)
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain('canary')
    await store.close()
  })
})

/** Partial indexes that hold nothing but what is asked for: they are read from end to end. */
const WHOLE_INDEXES = /INDEX (grants_revoked|credentials_presented)$/

/** Calls every verb, so that every statement is prepared. */
async function exercise(store: Store): Promise<void> {
  const access = { hash: 'access', grantId: 'grant', scopes: [], expiresAt: END }
  await createGrant(store, 'grant', 'sealed')
  await store.redeemCode('code grant', access, 1)
  await store.advanceGeneration('grant', 1, { ...access, hash: 'second' }, 1, 1)
  await store.findAccess('access')
  await store.findClient('client')
  await store.findCode('code grant')
  await store.findGrant('grant')
  await store.findCredential('grant')
  await store.claimRefresh('credential grant', 1, 1, 2)
  await store.findInterrupted(1, 0)
  await store.releaseRefresh('credential grant', 1, 'unspent')
  await store.replaceCredential('credential grant', 1, 'sealed', undefined)
  await store.killCredential('credential grant', 2)
  await store.bindSession({ hash: 'session', grantId: 'grant', expiresAt: END }, 1)
  await store.bindSession({ hash: 'next session', grantId: 'grant', expiresAt: END }, 1)
  await store.findSession('session')
  await store.endSession('session')
  await store.revokeAccess('access')
  await store.openInteraction({ id: 'interaction', version: 1, sealed: 'sealed', expiresAt: END })
  await store.findInteraction('interaction', 1)
  await store.advanceInteraction('interaction', 1, 'sealed', 1)
  await store.takeInteraction('interaction', 2, 1)
  await store.rememberOnce('name', 'value')
  await store.putCredential('shared', 'sealed', undefined, 1)
  await store.replaceIdentity('grant', 'sealed identity', 'another')
  await store.revokeGrant('grant')
  await store.deleteExpired(1, 10, { sharedCredentials: 1 })
  await store.ping()
}

async function createGrant(store: Store, id: string, sealed: string): Promise<void> {
  const about = { id, clientId: 'c', routePath: '/r', resource: 'r', scopes: [], sealedIdentity: 'sealed identity' }
  await store.createGrant(
    { ...about, status: 'pending', generation: 0, rotatedAt: 0, createdAt: 0, expiresAt: END },
    { hash: `code ${id}`, grantId: id, clientId: 'c', redirectUri: 'u', codeChallenge: 'x', expiresAt: END },
    { id: `credential ${id}`, grantId: id, version: 1, sealed, state: 'live' },
  )
}

function alter(sql: string): void {
  const database = new Database(file)
  database.exec(sql)
  database.close()
}

function mode(path: string): number {
  return statSync(path).mode & 0o777
}

function bytesOnDisk(): string {
  const files = [file, `${file}-wal`].filter((path) => existsSync(path))
  return files.map((path) => readFileSync(path, 'latin1')).join()
}
