import { isExternalGrantId } from '../domain/grant.ts'
import { asc, eq, inArray, sql } from './drizzle.ts'
import { grants, sessions } from './sqlite-schema.ts'
import type { Queries, Session } from './sqlite-session.ts'
import type { Store } from './store.ts'

type SessionVerbs = 'bindSession' | 'findSession' | 'endSession'

/** The store's verbs on the sessions of MCP servers: who was first keeps a session until it ends. */
export function sessionVerbs(session: Session): Pick<Store, SessionVerbs> {
  const find = session.queries
    .select()
    .from(sessions)
    .where(eq(sessions.hash, sql.placeholder('hash')))
    .prepare()
  return {
    bindSession: (row, capacity) =>
      session.write((queries) => {
        const held = queries.select().from(sessions).where(eq(sessions.hash, row.hash)).get()
        if (held) return held.grantId === row.grantId ? 'bound' : 'foreign'
        // The answer that names the session may have been on its way while the grant ended.
        if (!isExternalGrantId(row.grantId) && !isOpenGrant(queries, row.grantId))
          throw new Error('the grant has ended')
        if (capacity !== undefined && countOf(queries, row.grantId) >= capacity) makeRoom(queries, row.grantId)
        queries.insert(sessions).values(row).run()
        return 'bound'
      }),
    findSession: (hash) => session.read(() => find.get({ hash })),
    async endSession(hash) {
      await session.write((queries) => queries.delete(sessions).where(eq(sessions.hash, hash)).run())
    },
  }
}

function isOpenGrant(queries: Queries, grantId: string): boolean {
  const grant = queries.select({ status: grants.status }).from(grants).where(eq(grants.id, grantId)).get()
  return grant !== undefined && grant.status !== 'revoked'
}

function countOf(queries: Queries, grantId: string): number {
  const count = queries.select({ count: sql<number>`count(*)` }).from(sessions).where(eq(sessions.grantId, grantId))
  return count.get()?.count ?? 0
}

/** The oldest session of the grant goes: all of a grant live equally long. */
function makeRoom(queries: Queries, grantId: string): void {
  const oldest = queries
    .select({ hash: sessions.hash })
    .from(sessions)
    .where(eq(sessions.grantId, grantId))
    .orderBy(asc(sessions.expiresAt))
    .limit(1)
  queries.delete(sessions).where(inArray(sessions.hash, oldest)).run()
}
