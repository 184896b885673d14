import { and, eq, gt, sql } from 'drizzle-orm'
import { interactions } from './sqlite-schema.ts'
import type { Session } from './sqlite-session.ts'
import type { Store } from './store.ts'

type InteractionVerbs = 'openInteraction' | 'findInteraction' | 'advanceInteraction' | 'takeInteraction'

/** The store's verbs on interactions: every step names the version it builds on, so that one of many callers wins. */
export function interactionVerbs(session: Session): Pick<Store, InteractionVerbs> {
  return {
    async openInteraction(row) {
      await session.write((queries) => queries.insert(interactions).values(row).run())
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

function current(id: string, version: number, now: number) {
  return and(eq(interactions.id, id), eq(interactions.version, version), gt(interactions.expiresAt, now))
}
