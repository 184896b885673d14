import type { Grant } from '../domain/grant.ts'
import { eq, sql } from './drizzle.ts'
import type { EndedGrant } from './records.ts'
import { CREDENTIAL } from './sqlite-credentials.ts'
import { accessTokens, clients, codes, credentials, grants, sessions } from './sqlite-schema.ts'
import { type Queries, type Session, withoutNulls } from './sqlite-session.ts'
import type { Store } from './store.ts'

type GrantVerbs =
  | 'createGrant'
  | 'findCode'
  | 'findGrant'
  | 'redeemCode'
  | 'advanceGeneration'
  | 'revokeGrant'
  | 'replaceIdentity'

/** The store's verbs on grants, their codes and their refresh generations. */
export function grantVerbs(session: Session): Pick<Store, GrantVerbs> {
  return {
    async createGrant(grant, code, credential, signIn) {
      await session.write((queries) => {
        assertSameGrant(grant.id, code.grantId)
        queries.insert(grants).values(grant).run()
        noteUse(queries, grant, grant.createdAt)
        queries.insert(codes).values(code).run()
        for (const [row, purpose] of [[credential, 'server'] as const, [signIn, 'sign-in'] as const]) {
          if (!row) continue
          assertSameGrant(grant.id, row.grantId)
          queries
            .insert(credentials)
            .values({ ...row, purpose })
            .run()
        }
      })
    },
    findCode: (hash) =>
      session.read(() => {
        const row = codeOf(session.queries, hash)
        return row && withoutNulls(row)
      }),
    findGrant: (grantId) => session.read(() => grantOf(session.queries, grantId)),
    redeemCode: (hash, access, now) =>
      session.write((queries) => {
        const code = codeOf(queries, hash)
        if (!code) return { outcome: 'unknown' }
        // A used code stays recognisable past its end, until it is collected: whoever comes second may be the owner.
        if (code.redeemedAt !== null) return { outcome: 'replayed', redeemedAt: code.redeemedAt }
        const grant = grantOf(queries, code.grantId)
        if (code.expiresAt <= now || grant?.status !== 'pending' || grant.expiresAt <= now)
          return { outcome: 'unknown' }
        assertSameGrant(grant.id, access.grantId)
        queries.update(codes).set({ redeemedAt: now }).where(eq(codes.hash, hash)).run()
        const activated = { status: 'active', generation: 1, rotatedAt: now } as const
        queries.update(grants).set(activated).where(eq(grants.id, grant.id)).run()
        queries.insert(accessTokens).values(access).run()
        return { outcome: 'redeemed' }
      }),
    advanceGeneration: (grantId, from, access, now, graceMs, arrivedAt) =>
      session.write((queries) => {
        assertSameGrant(grantId, access.grantId)
        const grant = grantOf(queries, grantId)
        if (grant?.status !== 'active' || grant.expiresAt <= now) return 'gone'
        const outcome = judgeGeneration(grant, from, now, graceMs, arrivedAt)
        if (outcome === 'reused') return outcome
        noteUse(queries, grant, now)
        if (outcome === 'rotated')
          queries
            .update(grants)
            .set({ generation: from + 1, rotatedAt: now })
            .where(eq(grants.id, grantId))
            .run()
        queries.insert(accessTokens).values(access).run()
        return outcome
      }),
    async revokeGrant(grantId) {
      const ended = await session.write((queries) => endGrant(queries, grantId))
      if (ended) session.emit({ kind: 'grant', grantId })
      return ended
    },
    async replaceIdentity(grantId, before, sealedIdentity) {
      const { changes } = await session.write((queries) =>
        queries
          .update(grants)
          .set({ sealedIdentity })
          .where(
            sql`${grants.id} = ${grantId} and ${grants.sealedIdentity} = ${before} and ${grants.status} <> 'revoked'`,
          )
          .run(),
      )
      if (changes === 0) return 'lost'
      session.emit({ kind: 'identity', grantId })
      return 'won'
    },
  }
}

/** Notes that a grant's client and its user's own token are in use. */
function noteUse(queries: Queries, { clientId, sharedCredentialId }: Grant, now: number): void {
  queries.update(clients).set({ lastUsedAt: now }).where(eq(clients.clientId, clientId)).run()
  if (sharedCredentialId === undefined) return
  queries.update(credentials).set({ usedAt: now }).where(eq(credentials.id, sharedCredentialId)).run()
}

/** Ends a grant inside a transaction: revoked, and everything that hangs on it is gone. Undefined if it had ended before. */
export function endGrant(queries: Queries, grantId: string): EndedGrant | undefined {
  const { changes } = queries
    .update(grants)
    .set({ status: 'revoked' })
    .where(sql`${grants.id} = ${grantId} and ${grants.status} <> 'revoked'`)
    .run()
  const grant = changes === 0 ? undefined : grantOf(queries, grantId)
  if (!grant) return undefined
  const held = queries.select(HELD).from(credentials).where(eq(credentials.grantId, grantId)).all()
  queries.delete(accessTokens).where(eq(accessTokens.grantId, grantId)).run()
  queries.delete(codes).where(eq(codes.grantId, grantId)).run()
  queries.delete(credentials).where(eq(credentials.grantId, grantId)).run()
  queries.delete(sessions).where(eq(sessions.grantId, grantId)).run()
  const own = held.map((row) => withoutNulls(row))
  return { grant, credentials: own.sort((a, b) => a.purpose.localeCompare(b.purpose)) }
}

const HELD = { ...CREDENTIAL, purpose: credentials.purpose }

/** RFC 9700 §4.14.2 with a grace period. A clock that was set back must not bring an old generation back to life. */
function judgeGeneration(
  grant: Grant,
  from: number,
  now: number,
  graceMs: number,
  arrivedAt = now,
): 'rotated' | 'retried' | 'overtaken' | 'reused' {
  if (from < 1 || from > grant.generation) return 'reused'
  if (from === grant.generation) return 'rotated'
  const inGrace = Math.abs(now - grant.rotatedAt) <= graceMs
  if (!inGrace) return 'reused'
  if (from === grant.generation - 1) return 'retried'
  return arrivedAt < grant.rotatedAt ? 'overtaken' : 'reused'
}

function codeOf(queries: Queries, hash: string) {
  return queries.select().from(codes).where(eq(codes.hash, hash)).get()
}

function grantOf(queries: Queries, grantId: string): Grant | undefined {
  const row = queries.select().from(grants).where(eq(grants.id, grantId)).get()
  return row && withoutNulls(row)
}

/** A token, code or credential stored under somebody else's grant would be a breach; better nothing is stored. */
function assertSameGrant(expected: string, actual: string | undefined): void {
  if (expected !== actual) throw new Error('belongs to another grant')
}
