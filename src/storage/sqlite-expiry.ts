import { setImmediate } from 'node:timers/promises'
import type { SQL } from 'drizzle-orm'
import type { SQLiteColumn, SQLiteTable } from 'drizzle-orm/sqlite-core'
import { and, asc, eq, gt, gte, inArray, isNotNull, isNull, lt, lte, notExists, sql } from './drizzle.ts'
import { deleteUnusedClients } from './sqlite-clients.ts'
import { endGrant } from './sqlite-grants.ts'
import { emptyLog } from './sqlite-open.ts'
import { accessTokens, codes, consumed, credentials, grants, interactions, sessions } from './sqlite-schema.ts'
import type { Queries, Session } from './sqlite-session.ts'
import type { Store } from './store.ts'

/** The store's verb that collects what has ended; each kind in a transaction of its own, so that none takes long. */
export function expiryVerbs(session: Session): Pick<Store, 'takeEnded' | 'deleteExpired'> {
  let isLogLeft = false
  return {
    takeEnded: (now, limit) =>
      session.write((queries) => {
        const over = and(lte(interactions.expiresAt, now), gt(interactions.version, 1))
        const oldest = queries.select().from(interactions).where(over).orderBy(asc(interactions.expiresAt))
        const taken = oldest.limit(limit).all()
        for (const { id } of taken) queries.delete(interactions).where(eq(interactions.id, id)).run()
        const ids = [unredeemed(queries, now, limit), pastTheirEnd(queries, now, limit)].flatMap((rows) => rows.all())
        const ended = ids.flatMap(({ id }) => endGrant(queries, id) ?? [])
        return { interactions: taken, grants: ended }
      }),
    async deleteExpired(now, limit, unused = {}) {
      let deleted = 0
      for (const step of STEPS) {
        deleted += await session.write((queries) => step(queries, now, limit))
        // The driver is synchronous: requests get their turn between the steps.
        await setImmediate()
      }
      const { clients, sharedCredentials } = unused
      if (clients !== undefined)
        deleted += await session.write((queries) => deleteUnusedClients(queries, limit, clients))
      if (sharedCredentials !== undefined)
        deleted += await session.write((queries) => deleteUnusedCredentials(queries, limit, sharedCredentials))
      if (deleted > 0 || isLogLeft) isLogLeft = !(await session.read(() => emptyLog(session.client)))
      return deleted
    },
  }
}

type Step = (queries: Queries, now: number, limit: number) => number

const STEPS: readonly Step[] = [
  // Those that somebody took up may hold tokens: they are handed over first, and so are grants.
  ended(interactions, interactions.id, interactions.expiresAt, lte(interactions.version, 1)),
  ended(accessTokens, accessTokens.hash, accessTokens.expiresAt),
  ended(consumed, consumed.key, consumed.expiresAt),
  ended(sessions, sessions.hash, sessions.expiresAt),
  ended(codes, codes.hash, codes.expiresAt, isNotNull(codes.redeemedAt)),
  revokedGrants,
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

/** Grants whose code nobody came for in time. */
function unredeemed(queries: Queries, now: number, limit: number) {
  return queries
    .select({ id: codes.grantId })
    .from(codes)
    .where(and(lte(codes.expiresAt, now), isNull(codes.redeemedAt)))
    .orderBy(asc(codes.expiresAt))
    .limit(limit)
}

function pastTheirEnd(queries: Queries, now: number, limit: number) {
  const over = and(lte(grants.expiresAt, now), sql`${grants.status} <> 'revoked'`)
  return queries.select({ id: grants.id }).from(grants).where(over).orderBy(asc(grants.expiresAt)).limit(limit)
}

function revokedGrants(queries: Queries, _now: number, limit: number): number {
  // Written out, not as a parameter: otherwise the partial index does not apply.
  const ids = queries.select({ id: grants.id }).from(grants).where(sql`status = 'revoked'`).limit(limit)
  return queries.delete(grants).where(inArray(grants.id, ids)).run().changes
}

/** Users' own tokens that nobody has used since then. A grant that names one and was used since then keeps it. */
function deleteUnusedCredentials(queries: Queries, limit: number, since: number): number {
  const { id, grantId, usedAt } = credentials
  const inUse = queries
    .select({ id: grants.id })
    .from(grants)
    .where(and(eq(grants.sharedCredentialId, id), gte(grants.rotatedAt, since)))
  const ids = queries
    .select({ id })
    .from(credentials)
    .where(and(isNull(grantId), lt(usedAt, since), notExists(inUse)))
    .orderBy(asc(usedAt))
    .limit(limit)
  return queries.delete(credentials).where(inArray(id, ids)).run().changes
}
