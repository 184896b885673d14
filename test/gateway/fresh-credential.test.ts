import { expect, it } from 'vitest'
import { Secret } from '../../src/domain/secret.ts'
import type { OpenAccess } from '../../src/gateway/access-cache.ts'
import { createFreshCredentials } from '../../src/gateway/fresh-credential.ts'
import type { Gateway } from '../../src/gateway/gateway.ts'

const ACCESS = {
  grant: { id: 'grant' },
  credential: {
    kind: 'provider-token',
    row: { id: 'credential', version: 1 },
    tokens: { accessToken: new Secret('old'), refreshToken: new Secret('r'), obtainedAt: 0, expiresAt: 1 },
  },
} as unknown as OpenAccess

it('is idle as soon as the last refresh has ended, and at once when there is none (C11)', async () => {
  const found = Promise.withResolvers<undefined>()
  const store = { findCredential: () => found.promise } as unknown as Gateway['store']
  const credentials = createFreshCredentials({ store, now: Date.now } as Gateway, {
    providerOf: () => undefined,
    routeOf: () => undefined,
  })
  await credentials.idle()

  const order: string[] = []
  const refreshed = credentials.forAccess(ACCESS).then(({ outcome }) => order.push(outcome))
  const idle = credentials.idle().then(() => order.push('idle'))
  await new Promise(setImmediate)
  expect(order).toEqual([])
  found.resolve(undefined)
  await Promise.all([refreshed, idle])
  expect(order.toSorted()).toEqual(['ended', 'idle'])
  await credentials.idle()
})
