import { afterEach, beforeEach, expect } from 'vitest'
import type { Grant } from '../../src/domain/grant.ts'
import type { AccessRow, CodeRow, CredentialRow } from '../../src/storage/records.ts'
import type { Store } from '../../src/storage/store.ts'
import { aCode, aCredential, aGrant, anAccess, NOW } from './store-rows.ts'

/** A store on data of its own. `reopen` closes it and opens the same data again; `dispose` closes and removes it. */
export interface OpenedStore {
  readonly store: Store
  reopen(): Promise<Store>
  dispose(): Promise<void>
}

/** A store that is fresh for each test. */
export interface StoreData {
  readonly store: Store
  /** As after a restart. */
  reopen(): Promise<void>
  /** A grant whose code is out. */
  pendingGrant(about?: Partial<Grant>, ofCode?: Partial<CodeRow>): Promise<PendingGrant>
  /** A grant whose code was redeemed at `NOW`. */
  activeGrant(about?: Partial<Grant>): Promise<PendingGrant & { readonly access: AccessRow }>
  /** Collects until a pass finds nothing. */
  collectAll(now: number, limit?: number): Promise<void>
}

interface PendingGrant {
  /** As it was stored. */
  readonly grant: Grant
  readonly code: CodeRow
  readonly credential: CredentialRow
}

/** Opens a store before each test of the surrounding `describe` and disposes of it afterwards. */
export function storeForEach(open: () => Promise<OpenedStore>): StoreData {
  let opened: OpenedStore
  let store: Store
  beforeEach(async () => {
    opened = await open()
    store = opened.store
  })
  afterEach(() => opened.dispose())

  const data: StoreData = {
    get store() {
      return store
    },
    async reopen() {
      store = await opened.reopen()
    },
    async pendingGrant(about = {}, ofCode = {}) {
      const grant = { ...aGrant(), ...about }
      const code = { ...aCode(grant), ...ofCode }
      const credential = aCredential(grant)
      await store.createGrant(grant, code, credential)
      return { grant, code, credential }
    },
    async activeGrant(about = {}) {
      const created = await data.pendingGrant(about)
      const access = anAccess(created.grant)
      expect(await store.redeemCode(created.code.hash, access, NOW)).toEqual({ outcome: 'redeemed' })
      return { ...created, access }
    },
    async collectAll(now, limit = 100) {
      let deleted: number
      do {
        await store.takeEnded(now, limit)
        deleted = await store.deleteExpired(now, limit)
      } while (deleted > 0)
    },
  }
  return data
}
