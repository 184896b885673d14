import type { Client } from '../domain/client.ts'
import { type ClientIdUrl, parseClientIdUrl } from '../domain/client-id-url.ts'
import { MAX_DOCUMENT_BYTES, parseMetadataDocument } from '../domain/metadata-document.ts'
import { fail, ok, type Result } from '../domain/result.ts'
import type { Egress } from '../http/egress.ts'
import { createPublishedJson, type NotRead } from '../http/published-json.ts'
import type { Store } from '../storage/store.ts'

/** Clients whose id is the address of the document that describes them. */
export interface MetadataClients {
  /**
   * The client for a new authorization: from a fresh copy of its document, or from an older one while its host cannot
   * answer. `caller` is the address of the peer who asks.
   */
  resolve(clientId: string, caller: string): Promise<Result<Client, NotRead>>
  /**
   * The client of authorizations that exist, from what is remembered: nobody waits for the host of the document, so that
   * grants outlive it (C29). Undefined for clients that nobody has signed in with.
   */
  recall(clientId: string): Promise<Client | undefined>
  /**
   * The client as a fresh copy of its document describes it, one fetched since `notBefore` (ms since 1970); the one given
   * if there is none to be had.
   */
  renew(client: Client, notBefore?: number): Promise<Client>
  /** Keeps the copy that somebody has just signed in with, over restarts. */
  keep(client: Client): Promise<void>
}

export interface MetadataClientsOptions {
  readonly egress: Egress
  readonly store: Store
  /** The only hosts (with or without port) whose documents count; empty: all. */
  readonly allowHosts: readonly string[]
  /** ms since 1970. */
  readonly now: () => number
}

const MAX_COPIES = 2000
/** How old a copy may be that stands in for a document nobody can read. */
const MAX_STALE_MS = 24 * 60 * 60_000

/** Metadata documents, read through `egress`, remembered in this process and, once somebody signed in, in the store. */
export function createMetadataClients(options: MetadataClientsOptions): MetadataClients {
  const { egress, store, now, allowHosts } = options
  const documents = createPublishedJson<Client>({
    egress,
    maxBytes: MAX_DOCUMENT_BYTES,
    maxCopies: MAX_COPIES,
    parse: parseMetadataDocument,
    now,
  })

  async function recall(clientId: string): Promise<Client | undefined> {
    const url = parseClientIdUrl(clientId)
    if (!url.ok || !isAllowed(allowHosts, url.value)) return undefined
    const copy = documents.peek(clientId)
    const client = copy?.value ?? (await store.findClient(clientId))
    // Whoever comes next finds what has changed; a copy from the store is of unknown freshness.
    if (client && now() >= (copy?.freshUntil ?? 0)) renew(client).catch(() => undefined)
    return client
  }

  async function renew(client: Client, notBefore = 0): Promise<Client> {
    const read = await documents.read(client.clientId, { notBefore })
    if (!read.ok) return client
    const described = read.value.value
    // Replaced only where it was kept: nobody may have signed in with this client.
    if (described.createdAt > client.createdAt) await store.updateClient(described)
    return described
  }

  return {
    recall,
    renew,
    async resolve(clientId, caller) {
      const url = parseClientIdUrl(clientId)
      if (!url.ok) return fail({ transient: false, reason: url.failure })
      if (!isAllowed(allowHosts, url.value)) return fail({ transient: false, reason: 'host_not_allowed' })
      const read = await documents.read(clientId, { caller })
      if (read.ok) return ok(read.value.value)
      const older = read.failure.transient ? await recall(clientId) : undefined
      return older && now() - older.createdAt <= MAX_STALE_MS ? ok(older) : read
    },
    keep: (client) => store.putClient(client),
  }
}

function isAllowed(hosts: readonly string[], url: ClientIdUrl): boolean {
  return hosts.length === 0 || hosts.some((host) => host === url.host || host === url.hostname)
}
