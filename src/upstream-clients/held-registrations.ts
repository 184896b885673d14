import type { UpstreamRegistration } from '../domain/upstream-registration.ts'
import type { UpstreamClientRow } from '../storage/records.ts'
import type { Store } from '../storage/store.ts'
import { CannotOpen, openRegistrations, sealRegistrations, type Vault } from '../vault.ts'

/** What is registered for one MCP client at one provider, the newest first, with the row that fences changes. */
export interface Held {
  readonly row: UpstreamClientRow
  readonly registrations: readonly UpstreamRegistration[]
}

/** Registrations at rest: sealed, and opened for their provider and MCP client alone. */
export interface HeldRegistrations {
  find(provider: string, clientId: string): Promise<Held | undefined>
  /** Nothing, if its key was taken out. */
  open(row: UpstreamClientRow): Promise<readonly UpstreamRegistration[]>
  /** Stores them in place of what `held` is, and removes the row when none is left; false when somebody was faster. */
  replace(held: Held, registrations: readonly UpstreamRegistration[]): Promise<boolean>
  /** Stores them in place of `held`, or anew, and counts as use; the outcome is that of the store. */
  put(
    at: Pick<UpstreamClientRow, 'provider' | 'clientId' | 'usedAt'>,
    held: Held | undefined,
    registrations: readonly UpstreamRegistration[],
    room: Parameters<Store['putUpstreamClient']>[1],
  ): ReturnType<Store['putUpstreamClient']>
}

/** All methods reject with StoreUnavailable. */
export function createHeldRegistrations(store: Store, vault: Vault): HeldRegistrations {
  async function open(row: UpstreamClientRow): Promise<readonly UpstreamRegistration[]> {
    try {
      return await openRegistrations(vault, row)
    } catch (error) {
      if (error instanceof CannotOpen) return []
      throw error
    }
  }

  const put: HeldRegistrations['put'] = async ({ provider, clientId, usedAt }, held, registrations, room) => {
    const sealed = await sealRegistrations(vault, provider, clientId, registrations)
    const version = (held?.row.version ?? 0) + 1
    return store.putUpstreamClient({ provider, clientId, version, sealed, usedAt }, room)
  }

  return {
    async find(provider, clientId) {
      const row = await store.findUpstreamClient(provider, clientId)
      return row && { row, registrations: await open(row) }
    },
    open,
    async replace(held, registrations) {
      const { provider, clientId, version } = held.row
      if (registrations.length === 0) return store.takeUpstreamClient(provider, clientId, version)
      // A row that is there already needs no room.
      return (await put(held.row, held, registrations, { capacity: 0, idleSince: 0 })).outcome === 'won'
    },
    put,
  }
}
