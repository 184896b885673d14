import { and, eq, isNull, lte, or, sql } from 'drizzle-orm'
import { credentials } from './sqlite-schema.ts'
import { type Session, withoutNulls } from './sqlite-session.ts'
import type { Store } from './store.ts'

type CredentialVerbs =
  | 'findCredential'
  | 'findCredentialById'
  | 'putCredential'
  | 'claimRefresh'
  | 'replaceCredential'
  | 'releaseRefresh'
  | 'killCredential'

/** The store's verbs on credentials: a lease says who refreshes, the version fences whoever comes back too late. */
export function credentialVerbs(session: Session): Pick<Store, CredentialVerbs> {
  const { leaseUntil, ...visible } = {
    id: credentials.id,
    grantId: credentials.grantId,
    version: credentials.version,
    sealed: credentials.sealed,
    expiresAt: credentials.expiresAt,
    state: credentials.state,
    leaseUntil: credentials.leaseUntil,
  }
  const find = session.queries
    .select(visible)
    .from(credentials)
    .where(eq(credentials.grantId, sql.placeholder('grantId')))
    .prepare()

  /** Changes the live credential if `version` is current, and tells who caches it where its content has changed. */
  async function change(
    id: string,
    version: number,
    values: Partial<Pick<typeof credentials.$inferSelect, 'sealed' | 'version' | 'state' | 'expiresAt' | 'leaseUntil'>>,
  ): Promise<'won' | 'lost'> {
    const { changes } = await session.write((queries) =>
      queries.update(credentials).set(values).where(live(id, version)).run(),
    )
    if (changes === 0) return 'lost'
    session.emit({ kind: 'credential', credentialId: id })
    return 'won'
  }

  return {
    findCredential: (grantId) =>
      session.read(() => {
        const row = find.get({ grantId })
        return row && withoutNulls(row)
      }),
    findCredentialById: (id) =>
      session.read(() => {
        const row = session.queries.select(visible).from(credentials).where(eq(credentials.id, id)).get()
        return row && withoutNulls(row)
      }),
    async putCredential(id, sealed, expiresAt) {
      const content = { sealed, expiresAt: expiresAt ?? null, state: 'live', leaseUntil: null } as const
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
        const free = or(isNull(leaseUntil), lte(leaseUntil, now))
        const claim = queries
          .update(credentials)
          .set({ leaseUntil: until })
          .where(and(live(id, version), free))
        return claim.run().changes === 1 ? 'won' : 'lost'
      }),
    replaceCredential: (id, version, sealed, expiresAt) =>
      change(id, version, { sealed, version: version + 1, expiresAt: expiresAt ?? null, leaseUntil: null }),
    async releaseRefresh(id, version) {
      await session.write((queries) =>
        queries.update(credentials).set({ leaseUntil: null }).where(live(id, version)).run(),
      )
    },
    // A tombstone needs no content, and what was refused should not lie about.
    killCredential: (id, version) => change(id, version, { state: 'dead', sealed: '', leaseUntil: null }),
  }
}

function live(id: string, version: number) {
  return and(eq(credentials.id, id), eq(credentials.version, version), eq(credentials.state, 'live'))
}
