import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type Database from 'better-sqlite3'
import { StoreRefused } from './store.ts'

// A runner of our own instead of drizzle's migrator: that one needs a journal with timestamps beside the SQL, compares
// nothing but the newest timestamp, and so neither notices a database written by a newer version nor says what it did.

/** The same relative place in a checkout (src/storage) and in the package (dist/storage). */
const DIRECTORY = fileURLToPath(new URL('../../migrations/sqlite/', import.meta.url))

/**
 * Applies what is missing, all of it or nothing, and returns the names in order. Throws {@link StoreRefused} when the
 * database was written by a newer version.
 */
export function applyMigrations(database: Database.Database): string[] {
  const available = readdirSync(DIRECTORY)
    .filter((name) => name.endsWith('.sql'))
    .sort()
  return database
    .transaction(() => {
      database.exec(
        'CREATE TABLE IF NOT EXISTS schema_migrations (name TEXT PRIMARY KEY NOT NULL) STRICT, WITHOUT ROWID',
      )
      const done = new Set(database.prepare<[], string>('SELECT name FROM schema_migrations').pluck().all())
      const unknown = [...done].filter((name) => !available.includes(name))
      if (unknown.length > 0)
        throw new StoreRefused(
          `${database.name} was written by a newer version of the gateway (${unknown.length} unknown migrations). Start that version, or restore a backup from before the upgrade.`,
        )
      const missing = available.filter((name) => !done.has(name))
      const record = database.prepare('INSERT INTO schema_migrations (name) VALUES (?)')
      for (const name of missing) {
        database.exec(readFileSync(join(DIRECTORY, name), 'utf8'))
        record.run(name)
      }
      return missing
    })
    .immediate()
}

/** Throws {@link StoreRefused} when the database has tables, and they are not ours. */
export function refuseForeign(database: Database.Database): void {
  const tables = database.prepare<[], string>("SELECT name FROM sqlite_schema WHERE type = 'table'").pluck().all()
  if (tables.length > 0 && !tables.includes('schema_migrations'))
    throw new StoreRefused(`${database.name} is the database of another program. Choose another path for "database".`)
}
