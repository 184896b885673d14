import Database from 'better-sqlite3'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { startTestGateway, type TestGateway } from '../fixtures/gateway.ts'
import { installMovableClock, type MovableClock } from '../fixtures/movable-clock.ts'
import { authorizeUrl, browserFor, obtainTokens, refresh, register } from '../fixtures/oauth-requests.ts'
import { ALICE, passwordProviders } from '../fixtures/password-provider.ts'

const MINUTE_MS = 60_000
const YEARS_MS = 10 * 365 * 24 * 60 * MINUTE_MS

let clock: MovableClock
/** Calls what the gateway does every so often. */
let beats: { readonly everyMs: number; readonly beat: () => void }[]
let gateway: TestGateway

beforeEach(async () => {
  clock = installMovableClock()
  beats = []
  const platform = globalThis.setInterval
  vi.stubGlobal('setInterval', (beat: () => void, everyMs: number) => {
    beats.push({ everyMs, beat })
    return platform(beat, everyMs)
  })
  gateway = await startTestGateway({
    providers: await passwordProviders(),
    routes: { '/mcp': { upstream: 'http://127.0.0.1:9/mcp', sign_in: 'home' } },
  })
})
afterEach(async () => {
  await gateway?.close()
  clock.restore()
})

/** What the gateway does once a minute. */
function aMinuteLater(): void {
  for (const { everyMs, beat } of beats) if (everyMs === MINUTE_MS) beat()
}

function rowsOf(table: string): unknown {
  const database = new Database(gateway.databaseFile, { readonly: true })
  const count = database.prepare(`SELECT count(*) FROM ${table}`).pluck().get()
  database.close()
  return count
}

it('a clock that leaps ahead deletes nothing, so that nobody is lost when it is set right (C58)', async () => {
  const client = await register(gateway.issuer)
  const { refreshToken } = await obtainTokens(gateway.issuer, client, {}, ALICE)
  clock.advance(YEARS_MS)
  aMinuteLater()
  aMinuteLater()
  expect(gateway.output().match(/the clock has leapt ahead/g)).toHaveLength(1)
  clock.advance(-YEARS_MS)
  expect((await refresh(gateway.issuer, client, refreshToken)).status).toBe(200)
  await browserFor(client).get(authorizeUrl(gateway.issuer, client))
  expect([rowsOf('grants'), rowsOf('interactions')]).toEqual([1, 1])
})

it('one that stays ahead is believed after an hour (C58)', async () => {
  const client = await register(gateway.issuer)
  await obtainTokens(gateway.issuer, client, {}, ALICE)
  clock.advance(YEARS_MS)
  aMinuteLater()
  clock.pass(60 * MINUTE_MS)
  aMinuteLater()
  await expect.poll(() => rowsOf('grants')).toBe(0)
})

it('one that is set forward a little, now and then, deletes what has ended (C58)', async () => {
  const client = await register(gateway.issuer)
  await browserFor(client).get(authorizeUrl(gateway.issuer, client))
  for (let count = 0; count < 3; count += 1) {
    expect(rowsOf('interactions')).toBe(1)
    clock.advance(4 * MINUTE_MS)
    aMinuteLater()
  }
  // One that is still under way is not begun again.
  const rowsOneMinuteLater = () => {
    aMinuteLater()
    return rowsOf('interactions')
  }
  await expect.poll(rowsOneMinuteLater).toBe(0)
  expect(gateway.output()).not.toContain('the clock has leapt ahead')
})
