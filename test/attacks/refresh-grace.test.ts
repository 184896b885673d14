import { setTimeout as pause } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { callRoute, obtainTokens, refresh, register, tokensOf } from '../fixtures/oauth-requests.ts'
import { underAttack } from './oracles.ts'

const GRACE_MS = 1000
const gateway = underAttack({ yaml: { tokens: { access_ttl: '1m', refresh_grace: '1s' } } })

it('B166 the previous token after the grace is reuse: everything of that grant is dead', async () => {
  const { rig } = gateway
  const client = await register(rig.issuer)
  const first = await obtainTokens(rig.issuer, client, { resource: rig.one })
  const second = tokensOf(client, await refresh(rig.issuer, client, first.refreshToken))
  // The grace is counted by the clock of the gateway; there is no event for its end.
  await pause(GRACE_MS + 50)
  expect((await refresh(rig.issuer, client, first.refreshToken)).json().error).toBe('invalid_grant')
  for (const { accessToken, refreshToken } of [first, second]) {
    expect((await callRoute(rig.one, accessToken)).status).toBe(401)
    expect((await refresh(rig.issuer, client, refreshToken)).json().error).toBe('invalid_grant')
  }
})
