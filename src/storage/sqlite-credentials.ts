import type { SQL } from 'drizzle-orm'
import { and, eq, isNotNull, isNull, lte, or, sql } from './drizzle.ts'
import { credentials } from './sqlite-schema.ts'
import { type Queries, type Session, withoutNulls } from './sqlite-session.ts'
import type { Store } from './store.ts'

type CredentialVerbs =
  | 'findCredential'
  | 'findCredentialById'
  | 'putCredential'
  | 'claimRefresh'
  | 'findInterrupted'
  | 'replaceCredential'
  | 'releaseRefresh'
  | 'killCredential'

/** What the store tells of a credential; leases are its own. */
export const CREDENTIAL = {
  id: credentials.id,
  grantId: credentials.grantId,
  version: credentials.version,
  sealed: credentials.sealed,
  expiresAt: credentials.expiresAt,
  state: credentials.state,
}

/** The store's verbs on credentials: a lease says who refreshes, the version fences whoever comes back too late. */
export function credentialVerbs(session: Session): Pick<Store, CredentialVerbs> {
  const find = session.queries
    .select(CREDENTIAL)
    .from(credentials)
    .where(
      and(eq(credentials.grantId, sql.placeholder('grantId')), eq(credentials.purpose, sql.placeholder('purpose'))),
    )
    .prepare()

  /** Changes the live credential if `version` is current, and tells who caches it where its content has changed. */
  async function change(
    id: string,
    version: number,
    values: Partial<typeof credentials.$inferSelect>,
  ): Promise<'won' | 'lost'> {
    const { changes } = await session.write((queries) =>
      queries.update(credentials).set(values).where(live(id, version)).run(),
    )
    if (changes === 0) return 'lost'
    session.emit({ kind: 'credential', credentialId: id })
    return 'won'
  }

  return {
    findCredential: (grantId, purpose = 'server') =>
      session.read(() => {
        const row = find.get({ grantId, purpose })
        return row && withoutNulls(row)
      }),
    findCredentialById: (id) =>
      session.read(() => {
        const row = session.queries.select(CREDENTIAL).from(credentials).where(eq(credentials.id, id)).get()
        return row && withoutNulls(row)
      }),
    async putCredential(id, sealed, expiresAt, now) {
      const content = { sealed, expiresAt: expiresAt ?? null, state: 'live', usedAt: now, ...SETTLED } as const
      await session.write((queries) =>
        queries
          .insert(credentials)
          .values({ id, version: 1, ...content })
          .onConflictDoUpdate({
            target: credentials.id,
            set: { ...content, version: sql`${credentials.version} + 1` },
            // One that belongs to a grant is replaced by its refresh alone.
            setWhere: isNull(credentials.grantId),
          })
          .run(),
      )
      session.emit({ kind: 'credential', credentialId: id })
    },
    claimRefresh: (id, version, now, until) =>
      session.write((queries) => {
        const free = and(live(id, version), or(isNull(credentials.leaseUntil), lte(credentials.leaseUntil, now)))
        const { presentedAt, relayedAt } = credentials
        const before = queries.select({ presentedAt, relayedAt }).from(credentials).where(free).get()
        if (!before) return { outcome: 'lost' }
        queries
          .update(credentials)
          .set({ leaseUntil: until, presentedAt: before.presentedAt ?? now })
          .where(live(id, version))
          .run()
        return { outcome: 'won', ...withoutNulls(before) }
      }),
    findInterrupted: (limit, relayedSince) =>
      session.read(() => {
        const { grantId, purpose, presentedAt, relayedAt } = credentials
        const find = (since: typeof presentedAt | typeof relayedAt, where: SQL) =>
          session.queries.select({ grantId, purpose, since }).from(credentials).where(where).limit(limit).all()
        // Written out, not as parameters: otherwise the partial indexes do not apply.
        const presented = find(presentedAt, sql`presented_at IS NOT NULL AND state = 'live'`)
        const recent = sql`relayed_at IS NOT NULL AND relayed_at >= ${relayedSince}`
        const relayed = find(relayedAt, sql`${recent} AND presented_at IS NULL AND state = 'live'`)
        return [...presented, ...relayed].flatMap(({ grantId, purpose, since }) =>
          grantId === null || since === null ? [] : [{ grantId, purpose, presentedAt: since }],
        )
      }),
    replaceCredential: (id, version, sealed, expiresAt) =>
      change(id, version, { sealed, version: version + 1, expiresAt: expiresAt ?? null, ...SETTLED }),
    async releaseRefresh(id, version, known) {
      const { presentedAt, relayedAt } = credentials
      const values = {
        leaseUntil: null,
        ...(known === 'doubtful' ? {} : { presentedAt: null }),
        ...(known === 'relayed' ? { relayedAt: sql`coalesce(${relayedAt}, ${presentedAt})` } : {}),
      }
      await session.write((queries) => queries.update(credentials).set(values).where(live(id, version)).run())
    },
    // A tombstone needs no content, and what was refused should not lie about.
    killCredential: (id, version) => change(id, version, { state: 'dead', sealed: '', ...SETTLED }),
  }
}

/** Ends every lease: whoever opens the database has it alone, so those who held them are gone. */
export function endLeases(queries: Queries): void {
  // Whoever holds a lease has presented something, and that has an index.
  queries.update(credentials).set({ leaseUntil: null }).where(isNotNull(credentials.presentedAt)).run()
}

/** Nobody is refreshing, and nothing is on its way. */
const SETTLED = { leaseUntil: null, presentedAt: null, relayedAt: null } as const

function live(id: string, version: number) {
  return and(eq(credentials.id, id), eq(credentials.version, version), eq(credentials.state, 'live'))
}
