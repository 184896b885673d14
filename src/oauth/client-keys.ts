import type { Client } from '../domain/client.ts'
import { type PublicJwk, parseJwks } from '../domain/client-keys.ts'
import { fail, ok, type Result } from '../domain/result.ts'
import type { Egress } from '../http/egress.ts'
import { type Copy, createPublishedJson, type NotRead } from '../http/published-json.ts'
import type { MetadataClients } from './metadata-clients.ts'

/** Where the keys come from that client assertions are verified with. */
export interface ClientKeys {
  /** The client's keys as they were when last looked at, or as they are now if that was too long ago. */
  current(client: Client, caller: string): Promise<Result<readonly PublicJwk[], NotRead>>
  /** The keys after another look, which is taken once a minute at most: a key may be new. */
  renewed(client: Client, caller: string): Promise<Result<readonly PublicJwk[], NotRead>>
}

export interface ClientKeysOptions {
  readonly egress: Egress
  /** Absent when no client is named by a metadata document. */
  readonly metadataClients?: MetadataClients
  /** ms since 1970. */
  readonly now: () => number
}

const MAX_JWKS_BYTES = 64 * 1024
const MAX_KEY_SETS = 1000
const RENEW_EVERY_MS = 60_000
/** How old keys may be that stand in for keys nobody can read. */
const MAX_STALE_MS = 24 * 60 * 60_000

/** Keys as registered, from metadata documents, and from `jwks_uri` (RFC 7591 §2) read through `egress`. */
export function createClientKeys(options: ClientKeysOptions): ClientKeys {
  const { metadataClients, now } = options
  const keySets = createPublishedJson<readonly PublicJwk[]>({
    egress: options.egress,
    maxBytes: MAX_JWKS_BYTES,
    maxCopies: MAX_KEY_SETS,
    parse: parseJwks,
    now,
  })

  async function keysOf(client: Client, caller: string, notBefore: number) {
    const described = await describedNow(client, notBefore)
    const keys = described.keys
    if (!keys) return fail({ transient: false, reason: 'no_keys' })
    if (keys.kind === 'jwks') return ok(keys.jwks)
    const read = await keySets.read(keys.url, { caller, notBefore })
    if (read.ok) return ok(read.value.value)
    const older = keySets.peek(keys.url)
    return isBearable(older) ? ok(older.value) : read
  }

  async function describedNow(client: Client, notBefore: number): Promise<Client> {
    if (client.origin !== 'metadata-document' || !metadataClients) return client
    return metadataClients.renew(client, notBefore)
  }

  function isBearable(copy: Copy<readonly PublicJwk[]> | undefined): copy is Copy<readonly PublicJwk[]> {
    return copy !== undefined && now() - copy.fetchedAt <= MAX_STALE_MS
  }

  return {
    current: (client, caller) => keysOf(client, caller, 0),
    renewed: (client, caller) => keysOf(client, caller, now() - RENEW_EVERY_MS),
  }
}
