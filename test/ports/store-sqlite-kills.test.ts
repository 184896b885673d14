import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { openSqliteStore } from '../../src/storage/sqlite.ts'
import { aCode, aCredential, aGrant, anAccess, NOW } from './store-rows.ts'

const CHILD = fileURLToPath(new URL('./store-sqlite-child.ts', import.meta.url))
const KILL_AT_READ = fileURLToPath(new URL('./kill-at-read.ts', import.meta.url))
const MIGRATIONS = fileURLToPath(new URL('../../migrations/sqlite/', import.meta.url))
const [FIRST = '', ...LATER] = readdirSync(MIGRATIONS).sort()
/** What the child takes for the present is before this. */
const NEVER = 4_000_000_000_000
const ENDED = 40
const LIVE = 10

let directory: string
let file: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'gatehouse-kills-'))
  file = join(directory, 'gatehouse.db')
})
afterEach(() => rmSync(directory, { recursive: true }))

function start(command: string, env: Readonly<Record<string, string>> = {}) {
  return spawn(process.execPath, ['--import', KILL_AT_READ, CHILD, command, file], { env: { ...process.env, ...env } })
}

/** Looks into the file as it was left behind. */
function inspect<T>(look: (database: Database.Database) => T): T {
  const database = new Database(file)
  try {
    expect(database.pragma('integrity_check', { simple: true })).toBe('ok')
    return look(database)
  } finally {
    database.close()
  }
}

const applied = (database: Database.Database) =>
  database.prepare('SELECT name FROM schema_migrations ORDER BY name').pluck().all()

it.each(LATER)(
  'a migration that is killed at %s has changed nothing, and the next start does it all (C05)',
  async (name) => {
    const old = new Database(file)
    old.exec(readFileSync(join(MIGRATIONS, FIRST), 'utf8'))
    old.exec('CREATE TABLE schema_migrations (name TEXT PRIMARY KEY NOT NULL) STRICT, WITHOUT ROWID')
    old.prepare('INSERT INTO schema_migrations VALUES (?)').run(FIRST)
    old.prepare('INSERT INTO remembered VALUES (?, ?)').run('what', 'was there')
    old.close()

    const [, signal] = await once(start('hold', { KILL_AT_READ: name }), 'exit')
    expect(signal).toBe('SIGKILL')
    expect(inspect(applied)).toEqual([FIRST])

    const store = await openSqliteStore({ file })
    expect(await store.rememberOnce('what', 'is new')).toBe('was there')
    await store.close()
    expect(inspect(applied)).toEqual([FIRST, ...LATER])
  },
)

it('a collection that is killed at any moment leaves what lives, and the next one takes up the rest (C05, C06)', async () => {
  const store = await openSqliteStore({ file })
  const live: string[] = []
  for (let count = 0; count < ENDED + LIVE; count += 1) {
    const grant = { ...aGrant(), expiresAt: count < ENDED ? NOW : NEVER }
    const code = aCode(grant)
    await store.createGrant(grant, code, aCredential(grant))
    const access = { ...anAccess(grant), expiresAt: grant.expiresAt }
    expect((await store.redeemCode(code.hash, access, NOW - 1)).outcome).toBe('redeemed')
    if (count >= ENDED) live.push(access.hash)
  }
  await store.close()

  const count = () => inspect((database) => database.prepare('SELECT count(*) FROM grants').pluck().get() as number)
  let kills = 0
  for (let isOver = false; !isOver; kills += 1) {
    const child = start('collect')
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    for (let line = 0; line <= kills && !isOver; line += 1) isOver = (await lines.next()).value === 'deleted 0'
    child.kill('SIGKILL')
    await once(child, 'exit')
    expect(count()).toBeGreaterThanOrEqual(LIVE)
  }
  expect(kills).toBeGreaterThan(3)
  expect(count()).toBe(LIVE)
  const after = await openSqliteStore({ file })
  for (const hash of live) expect(await after.findAccess(hash)).toBeDefined()
  await after.close()
})
