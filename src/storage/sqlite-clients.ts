import { and, asc, eq, getTableColumns, inArray, lt, lte, notExists, sql } from './drizzle.ts'
import { endGrant } from './sqlite-grants.ts'
import { clients, grants } from './sqlite-schema.ts'
import { type Queries, type Session, withoutNulls } from './sqlite-session.ts'
import type { Store } from './store.ts'

type ClientVerbs = 'createClient' | 'findClient' | 'updateClient' | 'putClient' | 'deleteClient'

/** The store's verbs on clients (RFC 7591, RFC 7592). */
export function clientVerbs(session: Session): Pick<Store, ClientVerbs> {
  const { lastUsedAt: _, ...columns } = getTableColumns(clients)
  const find = session.queries
    .select(columns)
    .from(clients)
    .where(eq(clients.clientId, sql.placeholder('clientId')))
    .prepare()
  return {
    async createClient(client, capacity) {
      await session.write((queries) => {
        if (capacity !== undefined && countClients(queries) >= capacity) deleteUnusedClients(queries, 1)
        queries.insert(clients).values(client).run()
      })
    },
    findClient: (clientId) =>
      session.read(() => {
        const row = find.get({ clientId })
        return row && withoutNulls(row)
      }),
    updateClient: (client) =>
      session.write((queries) => {
        // Replaced whole: what the client left out is gone (RFC 7592 §2.2).
        const own = eq(clients.clientId, client.clientId)
        const before = queries.select({ lastUsedAt: clients.lastUsedAt }).from(clients).where(own).get()
        if (!before) return false
        queries.delete(clients).where(own).run()
        queries
          .insert(clients)
          .values({ ...client, ...before })
          .run()
        return true
      }),
    async putClient(client) {
      await session.write((queries) => {
        const stale = and(eq(clients.clientId, client.clientId), lte(clients.createdAt, client.createdAt))
        queries.delete(clients).where(stale).run()
        queries.insert(clients).values(client).onConflictDoNothing().run()
      })
    },
    async deleteClient(clientId) {
      const ended = await session.write((queries) => {
        const { changes } = queries.delete(clients).where(eq(clients.clientId, clientId)).run()
        if (changes === 0) return undefined
        const open = queries.select({ id: grants.id }).from(grants).where(eq(grants.clientId, clientId)).all()
        return open.flatMap(({ id }) => endGrant(queries, id) ?? [])
      })
      for (const { grant } of ended ?? []) session.emit({ kind: 'grant', grantId: grant.id })
      return ended
    },
  }
}

/** Deletes clients that have no grant, those not seen for longest first; with `seenBefore` only those not seen since. */
export function deleteUnusedClients(queries: Queries, limit: number, seenBefore?: number): number {
  const lastSeen = sql<number>`coalesce(${clients.lastUsedAt}, ${clients.createdAt})`
  const granted = queries.select({ id: grants.id }).from(grants).where(eq(grants.clientId, clients.clientId))
  const unused = queries
    .select({ id: clients.clientId })
    .from(clients)
    .where(and(seenBefore === undefined ? undefined : lt(lastSeen, seenBefore), notExists(granted)))
    .orderBy(asc(lastSeen))
    .limit(limit)
  return queries.delete(clients).where(inArray(clients.clientId, unused)).run().changes
}

function countClients(queries: Queries): number {
  return queries.select({ count: sql<number>`count(*)` }).from(clients).get()?.count ?? 0
}
