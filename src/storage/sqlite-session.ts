import type Database from 'better-sqlite3'
import type { BaseSQLiteDatabase } from 'drizzle-orm/sqlite-core'
import { drizzle } from './drizzle.ts'
import type { Change } from './records.ts'
import type { OpenDatabase } from './sqlite-open.ts'
import { StoreUnavailable } from './store.ts'

/** Drizzle on the connection or inside a transaction. */
export type Queries = BaseSQLiteDatabase<'sync', Database.RunResult>

/** What the verbs of the store are made of; whatever goes wrong below rejects with {@link StoreUnavailable}. */
export interface Session {
  /** For statements prepared once. */
  readonly queries: Queries
  readonly client: Database.Database
  read<T>(work: () => T): Promise<T>
  /** One immediate transaction: durable when it resolves, undone when `work` throws. */
  write<T>(work: (queries: Queries) => T): Promise<T>
  /** Tells the subscribers; to be called after the commit. */
  emit(change: Change): void
  subscribe(listener: (change: Change) => void): () => void
}

/** A session on an open database. */
export function createSession(database: OpenDatabase): Session {
  const queries = drizzle(database.client)
  const listeners = new Set<{ readonly notify: (change: Change) => void }>()
  return {
    queries,
    client: database.client,
    async read(work) {
      return attempt(work)
    },
    async write(work) {
      return attempt(() => {
        database.assertInPlace()
        return queries.transaction((transaction) => work(transaction), { behavior: 'immediate' })
      })
    },
    emit(change) {
      for (const listener of listeners) {
        try {
          listener.notify(change)
        } catch {
          // It is committed; a listener's trouble must not look like a failed write.
        }
      }
    },
    subscribe(notify) {
      const listener = { notify }
      listeners.add(listener)
      return () => {
        listeners.delete(listener)
      }
    },
  }
}

/** The row without its nulls: an absent property is absent in the domain, too. */
export function withoutNulls<T extends object>(row: T): WithoutNulls<T> {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)) as WithoutNulls<T>
}

type WithoutNulls<T> = { [K in keyof T as null extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as null extends T[K] ? K : never]?: NonNullable<T[K]>
}

function attempt<T>(work: () => T): T {
  try {
    return work()
  } catch (cause) {
    throw new StoreUnavailable('the database did not do what was asked', { cause })
  }
}
