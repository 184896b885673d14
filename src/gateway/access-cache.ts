import { LRUCache } from 'lru-cache'
import type { HeldTokens } from '../domain/credential.ts'
import type { Grant } from '../domain/grant.ts'
import type { Identity } from '../domain/identity.ts'
import type { PersonalAccessToken } from '../domain/personal-access-token.ts'
import type { AccessRow, Change, CredentialRow } from '../storage/records.ts'

/** A user's credential, opened: tokens of a provider, or a token of the user's own. */
export type HeldCredential = { readonly row: CredentialRow } & (
  | { readonly kind: 'provider-token'; readonly tokens: HeldTokens }
  /** Without `pat` when its server has refused it. */
  | { readonly kind: 'user-pat'; readonly pat?: PersonalAccessToken }
)

/** A token that was looked up and found good, with everything the next request needs. */
export interface OpenAccess {
  readonly access: AccessRow
  readonly grant: Grant
  readonly identity: Identity
  readonly credential?: HeldCredential
}

/** Access that is open now, by token hash; it holds nothing that a change has not yet had the chance to remove. */
export interface AccessCache {
  find(hash: string): OpenAccess | undefined
  /** Runs `load` and keeps what it finds, unless anything changed while it ran. */
  load(hash: string, load: () => Promise<OpenAccess | undefined>): Promise<OpenAccess | undefined>
  /** Drops what the change makes doubtful. */
  apply(change: Change): void
}

/** A cache of `max` tokens at the most; the least recently used go first. */
export function createAccessCache(max: number): AccessCache {
  const byHash = new LRUCache<string, OpenAccess>({ max })
  // A look-up that was under way while a revocation happened must not put the old answer back.
  let changes = 0
  return {
    find: (hash) => byHash.get(hash),
    async load(hash, load) {
      const before = changes
      const found = await load()
      if (found && changes === before) byHash.set(hash, found)
      return found
    },
    apply(change) {
      changes += 1
      if (change.kind === 'access') {
        byHash.delete(change.hash)
        return
      }
      for (const [hash, open] of byHash) {
        const isAffected =
          change.kind === 'credential'
            ? open.credential?.row.id === change.credentialId
            : open.grant.id === change.grantId
        if (isAffected) byHash.delete(hash)
      }
    },
  }
}
