import { closeSync, mkdirSync, openSync, realpathSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import Database from 'better-sqlite3'
import { StoreRefused } from './store.ts'

/** A database file that this process alone may use, until {@link LockedFile.release}. */
export interface LockedFile {
  /** Absolute, symbolic links resolved. */
  readonly path: string
  release(): void
}

/**
 * Creates the file (0600) and its directory (0700) where they are missing and takes the lock beside it, `<file>.lock`.
 * The lock is one of the operating system's, so it ends with the process however that ends, and none is ever stale.
 * Throws {@link StoreRefused} when another process has it or nothing can be written there.
 */
export function lockFile(file: string): LockedFile {
  const path = createPrivately(file)
  const lockPath = `${path}.lock`
  createFile(lockPath)
  let lock: Database.Database | undefined
  try {
    lock = new Database(lockPath, { timeout: 0 })
    // Nothing is ever written here: SQLite only brings locks that work alike on every system, network shares aside.
    lock.pragma('journal_mode = MEMORY')
    lock.exec('BEGIN EXCLUSIVE')
  } catch (cause) {
    lock?.close()
    throw refuseLock(path, lockPath, cause)
  }
  return { path, release: () => lock.close() }
}

/** The path behind symbolic links, or two names of one file would have two locks. */
function createPrivately(file: string): string {
  const path = resolve(file.trim())
  const directory = dirname(path)
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
  } catch (cause) {
    throw new StoreRefused(
      `Cannot create the directory ${directory}. Create it yourself and make it writable for the user that runs the gateway, or choose another path for "database".`,
      { cause },
    )
  }
  createFile(path)
  return realpathSync(path)
}

/**
 * Creates an empty file unless it is there. An existing one is never opened here: closing any descriptor of a file drops
 * all POSIX locks that this process holds on it.
 */
function createFile(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600))
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'EEXIST') return
    throw new StoreRefused(
      `Cannot create ${path}. Make the directory writable for the user that runs the gateway, or choose another path for "database".`,
      { cause },
    )
  }
}

function refuseLock(path: string, lockPath: string, cause: unknown): StoreRefused {
  const code = cause instanceof Database.SqliteError ? cause.code : ''
  if (code.startsWith('SQLITE_BUSY'))
    return new StoreRefused(
      `Another process has ${path} open. Stop it first: an SQLite database serves one gateway at a time.`,
      { cause },
    )
  return new StoreRefused(
    `Cannot lock ${lockPath}. Make it and its directory writable for the user that runs the gateway; if it is not empty, something else wrote it: remove it.`,
    { cause },
  )
}
