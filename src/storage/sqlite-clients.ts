import { eq, sql } from 'drizzle-orm'
import { clients } from './sqlite-schema.ts'
import { type Session, withoutNulls } from './sqlite-session.ts'
import type { Store } from './store.ts'

/** The store's verbs on clients (RFC 7591). */
export function clientVerbs(session: Session): Pick<Store, 'createClient' | 'findClient'> {
  const find = session.queries
    .select()
    .from(clients)
    .where(eq(clients.clientId, sql.placeholder('clientId')))
    .prepare()
  return {
    async createClient(client) {
      await session.write((queries) => queries.insert(clients).values(client).run())
    },
    findClient: (clientId) =>
      session.read(() => {
        const row = find.get({ clientId })
        return row && withoutNulls(row)
      }),
  }
}
