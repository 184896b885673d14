import { describe } from 'vitest'
import { describeChanges } from './store-changes.suite.ts'
import { describeClients } from './store-clients.suite.ts'
import { describeConsumed } from './store-consumed.suite.ts'
import { describeCredentials } from './store-credentials.suite.ts'
import { type OpenedStore, storeForEach } from './store-data.ts'
import { describeGenerations } from './store-generations.suite.ts'
import { describeGrants } from './store-grants.suite.ts'
import { describeSessions } from './store-sessions.suite.ts'
import { describeUpstreamClients } from './store-upstream-clients.suite.ts'

/** What every implementation of the store has to do; `open` gives each test a store with no data. */
export function describeStore(name: string, open: () => Promise<OpenedStore>): void {
  describe(`the store port on ${name}`, () => {
    const data = storeForEach(open)
    describeClients(data)
    describeGrants(data)
    describeGenerations(data)
    describeCredentials(data)
    describeConsumed(data)
    describeSessions(data)
    describeUpstreamClients(data)
    describeChanges(data)
  })
}
