import type { SQL } from 'drizzle-orm'
import { and, asc, eq, gt, inArray, sql } from './drizzle.ts'
import { interactions } from './sqlite-schema.ts'
import type { Queries, Session } from './sqlite-session.ts'
import type { Store } from './store.ts'

type InteractionVerbs = 'openInteraction' | 'findInteraction' | 'advanceInteraction' | 'takeInteraction'

/** The store's verbs on interactions: every step names the version it builds on, so that one of many callers wins. */
export function interactionVerbs(session: Session): Pick<Store, InteractionVerbs> {
  return {
    async openInteraction(row, capacity) {
      await session.write((queries) => {
        if (capacity !== undefined) for (const kind of [UNDECIDED, ADVANCED]) makeRoom(queries, kind, capacity)
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

const UNDECIDED = eq(interactions.version, 1)
const ADVANCED = gt(interactions.version, 1)

/** Where `capacity` of a kind are there, the oldest goes: a crowd of one kind pushes out nothing of the other. */
function makeRoom(queries: Queries, kind: SQL, capacity: number): void {
  const count = queries.select({ count: sql<number>`count(*)` }).from(interactions).where(kind).get()?.count ?? 0
  if (count < capacity) return
  const oldest = queries
    .select({ id: interactions.id })
    .from(interactions)
    .where(kind)
    .orderBy(asc(interactions.expiresAt))
    .limit(1)
  queries.delete(interactions).where(inArray(interactions.id, oldest)).run()
}

function current(id: string, version: number, now: number) {
  return and(eq(interactions.id, id), eq(interactions.version, version), gt(interactions.expiresAt, now))
}
