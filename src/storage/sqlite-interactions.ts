import { and, asc, eq, gt, inArray, sql } from 'drizzle-orm'
import { interactions } from './sqlite-schema.ts'
import type { Queries, Session } from './sqlite-session.ts'
import type { Store } from './store.ts'

type InteractionVerbs = 'openInteraction' | 'findInteraction' | 'advanceInteraction' | 'takeInteraction'

/** The store's verbs on interactions: every step names the version it builds on, so that one of many callers wins. */
export function interactionVerbs(session: Session): Pick<Store, InteractionVerbs> {
  return {
    async openInteraction(row, capacity) {
      await session.write((queries) => {
        if (capacity !== undefined && countPending(queries) >= capacity) makeRoom(queries)
        queries.insert(interactions).values(row).run()
      })
    },
    findInteraction: (id, now) =>
      session.read(() =>
        session.queries
          .select()
          .from(interactions)
          .where(and(eq(interactions.id, id), gt(interactions.expiresAt, now)))
          .get(),
      ),
    advanceInteraction: (id, fromVersion, sealed, now) =>
      session.write((queries) => {
        const { changes } = queries
          .update(interactions)
          .set({ sealed, version: sql`${interactions.version} + 1` })
          .where(current(id, fromVersion, now))
          .run()
        return changes === 1 ? 'won' : 'gone'
      }),
    takeInteraction: (id, fromVersion, now) =>
      session.write(
        (queries) =>
          queries
            .delete(interactions)
            .where(current(id, fromVersion, now))
            .run().changes === 1,
      ),
  }
}

function countPending(queries: Queries): number {
  return queries.select({ count: sql<number>`count(*)` }).from(interactions).get()?.count ?? 0
}

/** The oldest that is still at its first version: nobody has approved it. */
function makeRoom(queries: Queries): void {
  const oldest = queries
    .select({ id: interactions.id })
    .from(interactions)
    .where(eq(interactions.version, 1))
    .orderBy(asc(interactions.expiresAt))
    .limit(1)
  queries.delete(interactions).where(inArray(interactions.id, oldest)).run()
}

function current(id: string, version: number, now: number) {
  return and(eq(interactions.id, id), eq(interactions.version, version), gt(interactions.expiresAt, now))
}
