import type { SQL } from 'drizzle-orm'
import { and, asc, eq, getTableColumns, lte, notExists, notInArray, sql } from './drizzle.ts'
import type { UpstreamClientRow } from './records.ts'
import { clients, grants, upstreamClients } from './sqlite-schema.ts'
import type { Queries, Session } from './sqlite-session.ts'
import type { Store } from './store.ts'

type UpstreamClientVerbs =
  | 'findUpstreamClient'
  | 'noteUpstreamClientUse'
  | 'putUpstreamClient'
  | 'hasUpstreamClientRoom'
  | 'takeUpstreamClient'
  | 'findUpstreamClientsOf'
  | 'findLostUpstreamClients'

/** The store's verbs on the gateway's own clients at providers. */
export function upstreamClientVerbs(session: Session): Pick<Store, UpstreamClientVerbs> {
  const { queries } = session
  return {
    findUpstreamClient: (provider, clientId) => session.read(() => rowOf(queries, provider, clientId)),
    async noteUpstreamClientUse(provider, clientId, now) {
      await session.write((inside) =>
        inside.update(upstreamClients).set({ usedAt: now }).where(of(provider, clientId)).run(),
      )
    },
    putUpstreamClient: (row, { capacity, idleSince }) =>
      session.write((inside) => {
        const before = rowOf(inside, row.provider, row.clientId)
        if ((before?.version ?? 0) !== row.version - 1) return { outcome: 'lost' }
        if (before) {
          inside.update(upstreamClients).set(row).where(of(row.provider, row.clientId)).run()
          return { outcome: 'won' }
        }
        const evicted = makeRoom(inside, row.provider, capacity, idleSince)
        if (evicted === 'none') return { outcome: 'full' }
        inside.insert(upstreamClients).values(row).run()
        return { outcome: 'won', ...(evicted ? { evicted } : {}) }
      }),
    hasUpstreamClientRoom: (provider, { capacity, idleSince }) =>
      session.read(() => whoMakesRoom(queries, provider, capacity, idleSince) !== 'none'),
    takeUpstreamClient: (provider, clientId, version) =>
      session.write((inside) => {
        const current = and(of(provider, clientId), eq(upstreamClients.version, version))
        return inside.delete(upstreamClients).where(current).run().changes === 1
      }),
    findUpstreamClientsOf: (clientId) =>
      session.read(() => queries.select().from(upstreamClients).where(eq(upstreamClients.clientId, clientId)).all()),
    findLostUpstreamClients: (declared, idleSince, limit) =>
      session.read(() => {
        const own = eq(clients.clientId, upstreamClients.clientId)
        const stored = queries.select({ id: clients.clientId }).from(clients).where(own)
        const gone = and(notExists(stored), notInArray(upstreamClients.clientId, [...declared]))
        return unused(queries, idleSince, gone).limit(limit).all()
      }),
  }
}

/** Takes out {@link whoMakesRoom}. */
function makeRoom(queries: Queries, provider: string, capacity: number, idleSince: number) {
  const evicted = whoMakesRoom(queries, provider, capacity, idleSince)
  if (evicted && evicted !== 'none') queries.delete(upstreamClients).where(of(evicted.provider, evicted.clientId)).run()
  return evicted
}

/** Nothing where there is room, who can make room, or `none` where nobody can. */
function whoMakesRoom(queries: Queries, provider: string, capacity: number, idleSince: number) {
  const own = eq(upstreamClients.provider, provider)
  const count = queries.select({ count: sql<number>`count(*)` }).from(upstreamClients).where(own).get()?.count ?? 0
  if (count < capacity) return undefined
  return unused(queries, idleSince, own).limit(1).get() ?? 'none'
}

/** Those that no grant needs and nobody has begun a sign-in with since, the longest unused first. */
function unused(queries: Queries, idleSince: number, also: SQL | undefined) {
  const granted = queries.select({ id: grants.id }).from(grants).where(eq(grants.clientId, upstreamClients.clientId))
  return queries
    .select(getTableColumns(upstreamClients))
    .from(upstreamClients)
    .where(and(lte(upstreamClients.usedAt, idleSince), notExists(granted), also))
    .orderBy(asc(upstreamClients.usedAt))
}

function rowOf(queries: Queries, provider: string, clientId: string): UpstreamClientRow | undefined {
  return queries.select().from(upstreamClients).where(of(provider, clientId)).get()
}

function of(provider: string, clientId: string) {
  return and(eq(upstreamClients.provider, provider), eq(upstreamClients.clientId, clientId))
}
