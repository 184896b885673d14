import { and, asc, eq, inArray, lt, lte, notExists, sql } from 'drizzle-orm'
import { endGrant } from './sqlite-grants.ts'
import { clients, grants } from './sqlite-schema.ts'
import { type Queries, type Session, withoutNulls } from './sqlite-session.ts'
import type { Store } from './store.ts'

type ClientVerbs = 'createClient' | 'findClient' | 'updateClient' | 'putClient' | 'deleteClient'

/** The store's verbs on clients (RFC 7591, RFC 7592). */
export function clientVerbs(session: Session): Pick<Store, ClientVerbs> {
  const find = session.queries
    .select()
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
        const { changes } = queries.delete(clients).where(eq(clients.clientId, client.clientId)).run()
        if (changes === 0) return false
        queries.insert(clients).values(client).run()
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
        return open.map(({ id }) => id).filter((id) => endGrant(queries, id))
      })
      for (const grantId of ended ?? []) session.emit({ kind: 'grant', grantId })
      return ended !== undefined
    },
  }
}

/** Deletes clients that have no grant, the oldest first; only those created before `createdBefore`, if it is given. */
export function deleteUnusedClients(queries: Queries, limit: number, createdBefore?: number): number {
  const granted = queries.select({ id: grants.id }).from(grants).where(eq(grants.clientId, clients.clientId))
  const unused = queries
    .select({ id: clients.clientId })
    .from(clients)
    .where(and(createdBefore === undefined ? undefined : lt(clients.createdAt, createdBefore), notExists(granted)))
    .orderBy(asc(clients.createdAt))
    .limit(limit)
  return queries.delete(clients).where(inArray(clients.clientId, unused)).run().changes
}

function countClients(queries: Queries): number {
  return queries.select({ count: sql<number>`count(*)` }).from(clients).get()?.count ?? 0
}
