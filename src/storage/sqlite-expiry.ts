import { setImmediate } from 'node:timers/promises'
import { and, asc, inArray, isNotNull, isNull, lte, type SQL, sql } from 'drizzle-orm'
import type { SQLiteColumn, SQLiteTable } from 'drizzle-orm/sqlite-core'
import { deleteUnusedClients } from './sqlite-clients.ts'
import { accessTokens, codes, consumed, grants, interactions, sessions } from './sqlite-schema.ts'
import type { Queries, Session } from './sqlite-session.ts'
import type { Store } from './store.ts'

/** The store's verb that collects what has ended; each kind in a transaction of its own, so that none takes long. */
export function expiryVerbs(session: Session): Pick<Store, 'deleteExpired'> {
  return {
    async deleteExpired(now, limit, clientsSeenBefore) {
      let deleted = 0
      for (const step of STEPS) {
        deleted += await session.write((queries) => step(queries, now, limit))
        // The driver is synchronous: requests get their turn between the steps.
        await setImmediate()
      }
      if (clientsSeenBefore !== undefined) {
        deleted += await session.write((queries) => deleteUnusedClients(queries, limit, clientsSeenBefore))
      }
      // Deleted secrets live on in the write-ahead log until it is emptied.
      if (deleted > 0) await session.read(() => session.client.pragma('wal_checkpoint(TRUNCATE)'))
      return deleted
    },
  }
}

type Step = (queries: Queries, now: number, limit: number) => number

const STEPS: readonly Step[] = [
  ended(interactions, interactions.id, interactions.expiresAt),
  ended(accessTokens, accessTokens.hash, accessTokens.expiresAt),
  ended(consumed, consumed.key, consumed.expiresAt),
  ended(sessions, sessions.hash, sessions.expiresAt),
  ended(codes, codes.hash, codes.expiresAt, isNotNull(codes.redeemedAt)),
  abandonedGrants,
  revokedGrants,
  ended(grants, grants.id, grants.expiresAt),
]

function ended(table: SQLiteTable, key: SQLiteColumn, expiresAt: SQLiteColumn, also?: SQL): Step {
  return (queries, now, limit) => {
    const keys = queries
      .select({ key })
      .from(table)
      .where(and(lte(expiresAt, now), also))
      .orderBy(asc(expiresAt))
      .limit(limit)
    return queries.delete(table).where(inArray(key, keys)).run().changes
  }
}

/** Nobody came for the code in time: the grant goes, and the code and the credential with it. */
function abandonedGrants(queries: Queries, now: number, limit: number): number {
  const ids = queries
    .select({ id: codes.grantId })
    .from(codes)
    .where(and(lte(codes.expiresAt, now), isNull(codes.redeemedAt)))
    .orderBy(asc(codes.expiresAt))
    .limit(limit)
  return queries.delete(grants).where(inArray(grants.id, ids)).run().changes
}

function revokedGrants(queries: Queries, _now: number, limit: number): number {
  // Written out, not as a parameter: otherwise the partial index does not apply.
  const ids = queries.select({ id: grants.id }).from(grants).where(sql`status = 'revoked'`).limit(limit)
  return queries.delete(grants).where(inArray(grants.id, ids)).run().changes
}
