import { statSync } from 'node:fs'
import Database from 'better-sqlite3'
import { lockFile } from './sqlite-lock.ts'
import { applyMigrations, refuseForeign } from './sqlite-migrations.ts'
import { StoreRefused } from './store.ts'

/** An SQLite database that is locked, checked and up to date. */
export interface OpenDatabase {
  readonly client: Database.Database
  /** The migrations that opening it applied, in order. */
  readonly applied: readonly string[]
  /** Throws when the file was removed or replaced since: what is written now would be gone after a restart. */
  assertInPlace(): void
  /** Closes it and gives the lock back. Harmless when repeated. */
  close(): void
}

/** How long a write waits, with the whole process, for another program (a backup, a shell) that holds the database. */
const BUSY_TIMEOUT_MS = 1_000

/**
 * Empties the write-ahead log, in which deleted secrets live on; false when another program is reading in it. That one is
 * not waited for: a backup can take minutes, and the whole process would stand still.
 */
export function emptyLog(client: Database.Database): boolean {
  client.pragma('busy_timeout = 0')
  try {
    return client.pragma('wal_checkpoint(TRUNCATE)', { simple: true }) === 0
  } finally {
    client.pragma(`busy_timeout = ${BUSY_TIMEOUT_MS}`)
  }
}

/** Opens and migrates `file` under the lock. Throws {@link StoreRefused} with what to do about it. */
export function openDatabase(file: string): OpenDatabase {
  const lock = lockFile(file)
  let client: Database.Database | undefined
  try {
    client = new Database(lock.path, { timeout: BUSY_TIMEOUT_MS, fileMustExist: true })
    configure(client)
    checkIntegrity(client)
    refuseForeign(client)
    client.pragma('journal_mode = WAL')
    const applied = applyMigrations(client)
    // Only a write shows that the file is read-only: SQLite makes an immediate transaction a reading one then.
    client.pragma('user_version = 1')
    return opened(client, applied, lock.path, lock.release)
  } catch (cause) {
    client?.close()
    lock.release()
    throw cause instanceof StoreRefused ? cause : refuseOpening(lock.path, cause)
  }
}

function opened(client: Database.Database, applied: string[], path: string, release: () => void): OpenDatabase {
  const { dev, ino } = statSync(path)
  return {
    client,
    applied,
    assertInPlace() {
      const now = statSync(path, { throwIfNoEntry: false })
      if (now?.ino !== ino || now.dev !== dev) throw new Error('the database file was removed or replaced')
    },
    close() {
      client.close()
      release()
    },
  }
}

function configure(client: Database.Database): void {
  // What is acknowledged survives a power cut, not only a crash; the driver's default for WAL would be NORMAL.
  client.pragma('synchronous = FULL')
  client.pragma('foreign_keys = ON')
  // Deleted credentials are overwritten, not just unlinked.
  client.pragma('secure_delete = ON')
  client.pragma('temp_store = MEMORY')
  client.pragma('trusted_schema = OFF')
}

function checkIntegrity(client: Database.Database): void {
  const [verdict] = client.prepare<[], string>('PRAGMA quick_check(1)').pluck().all()
  if (verdict !== 'ok') throw refuseCorrupt(client.name, new Error('quick_check found damage'))
}

function refuseCorrupt(path: string, cause: unknown): StoreRefused {
  return new StoreRefused(
    `${path} is damaged or is not an SQLite database. Move it away together with its -wal and -shm files and restore a backup, or start with an empty database (everybody has to sign in again).`,
    { cause },
  )
}

function refuseOpening(path: string, cause: unknown): StoreRefused {
  const code = cause instanceof Database.SqliteError ? cause.code : ''
  if (code.startsWith('SQLITE_NOTADB') || code.startsWith('SQLITE_CORRUPT')) return refuseCorrupt(path, cause)
  if (code.startsWith('SQLITE_READONLY') || code.startsWith('SQLITE_CANTOPEN') || code.startsWith('SQLITE_PERM'))
    return new StoreRefused(
      `Cannot write ${path}. Make the file and its directory writable for the user that runs the gateway.`,
      { cause },
    )
  if (code.startsWith('SQLITE_BUSY'))
    return new StoreRefused(`Another program holds ${path} (a shell or a backup). Let it finish, then start again.`, {
      cause,
    })
  if (code.startsWith('SQLITE_FULL'))
    return new StoreRefused(`The disk that holds ${path} is full. Free some space, then start again.`, { cause })
  return new StoreRefused(`Cannot open ${path}${code && ` (${code})`}. Check the disk and its file system.`, { cause })
}
