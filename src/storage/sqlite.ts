import { eq, lte, sql } from './drizzle.ts'
import { accessVerbs } from './sqlite-access.ts'
import { clientVerbs } from './sqlite-clients.ts'
import { credentialVerbs, endLeases } from './sqlite-credentials.ts'
import { expiryVerbs } from './sqlite-expiry.ts'
import { grantVerbs } from './sqlite-grants.ts'
import { interactionVerbs } from './sqlite-interactions.ts'
import { openDatabase } from './sqlite-open.ts'
import { consumed, remembered } from './sqlite-schema.ts'
import { createSession, type Session } from './sqlite-session.ts'
import { sessionVerbs } from './sqlite-sessions.ts'
import { upstreamClientVerbs } from './sqlite-upstream-clients.ts'
import type { Store } from './store.ts'

/**
 * Opens the SQLite database `file` as this process's own, creating and migrating it as needed.
 * Rejects with {@link StoreRefused} when that cannot be done.
 */
export async function openSqliteStore(options: { readonly file: string }): Promise<Store> {
  const database = openDatabase(options.file)
  const session = createSession(database)
  await session.write(endLeases)
  return {
    ...clientVerbs(session),
    ...interactionVerbs(session),
    ...grantVerbs(session),
    ...accessVerbs(session),
    ...credentialVerbs(session),
    ...sessionVerbs(session),
    ...upstreamClientVerbs(session),
    ...expiryVerbs(session),
    ...memoryVerbs(session),
    subscribe: session.subscribe,
    async close() {
      database.close()
    },
  }
}

/** Applies pending migrations and closes again; `applied` names them. Rejects as {@link openSqliteStore} does. */
export async function migrateSqlite(options: { readonly file: string }): Promise<{ applied: string[] }> {
  const database = openDatabase(options.file)
  database.close()
  return { applied: [...database.applied] }
}

function memoryVerbs(session: Session): Pick<Store, 'rememberOnce' | 'remember' | 'consumeOnce' | 'ping'> {
  return {
    async remember(name, value) {
      await session.write((queries) =>
        queries
          .insert(remembered)
          .values({ name, value })
          .onConflictDoUpdate({ target: remembered.name, set: { value } })
          .run(),
      )
    },
    rememberOnce: (name, value) =>
      session.write((queries) => {
        queries.insert(remembered).values({ name, value }).onConflictDoNothing().run()
        return queries.select().from(remembered).where(eq(remembered.name, name)).get()?.value ?? value
      }),
    consumeOnce: (key, expiresAt, now) =>
      session.write((queries) => {
        const { changes } = queries
          .insert(consumed)
          .values({ key, expiresAt })
          .onConflictDoUpdate({ target: consumed.key, set: { expiresAt }, setWhere: lte(consumed.expiresAt, now) })
          .run()
        return changes === 1
      }),
    async ping() {
      // A read would not notice a full or read-only disk. Nobody reads this number.
      await session.write((queries) => queries.run(sql`PRAGMA user_version = 1`))
    },
  }
}
