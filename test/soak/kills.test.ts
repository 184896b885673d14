import { expect, it } from 'vitest'
import { FAILPOINTS } from '../../src/domain/failpoint.ts'
import { runKills } from './kills.ts'

const KILLS = 100

it('kill -9 at every named point, 100 times: nothing acknowledged is lost, and nothing is presented twice (C01, C02, C03, U-07)', {
  timeout: 900_000,
}, async () => {
  const report = await runKills({ kills: KILLS, gateways: 2 })
  expect(report.lost).toEqual([])
  expect(report.violations).toEqual([])
  expect(report.kills).toBe(KILLS)
  for (const point of FAILPOINTS) expect(report.byPoint[point]).toBeGreaterThan(KILLS / FAILPOINTS.length - 2)
})
