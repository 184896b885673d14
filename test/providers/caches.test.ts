import { beforeEach, describe, expect, it } from 'vitest'
import { createKeyCache } from '../../src/providers/oidc-keys.ts'
import { createMetadataCache, type LoadedMetadata } from '../../src/providers/oidc-metadata.ts'

const DAY = 24 * 60 * 60_000

let now: number
beforeEach(() => {
  now = 2 * DAY
})

describe('what is kept of a provider, when the clock is set back (C58)', () => {
  it('is not its keys: they are read anew, and a new one is found', async () => {
    const keys = createKeyCache(() => now)
    await keys.keysFor('old', async () => '{"keys":[{"kid":"old"}]}')
    now -= DAY
    const set = await keys.keysFor('new', async () => '{"keys":[{"kid":"new"}]}')
    expect(set).toContain('new')
  })

  it('is not that it could not be reached', async () => {
    let isAway = true
    const loaded = { document: '{}', metadata: {} } as LoadedMetadata
    const metadata = createMetadataCache(
      async () => {
        if (isAway) throw new Error('away')
        return loaded
      },
      () => now,
    )
    await expect(metadata.get()).rejects.toThrow('away')
    isAway = false
    await expect(metadata.get()).rejects.toThrow('away')
    now -= DAY
    expect(await metadata.get()).toBe(loaded)
  })
})
