import { describe, expect, test } from 'vitest'
import { MEASURES } from './measures/calls.ts'
import { IDLE_MEMORY } from './measures/idle-streams.ts'
import { createReadings } from './readings.ts'
import { goals } from './report/goals.ts'
import { BUSY, ratioTables } from './report/tables.ts'

function filled(values: Record<string, Record<string, readonly number[]>>) {
  const readings = createReadings()
  for (const [measure, cases] of Object.entries(values)) {
    for (const [name, rounds] of Object.entries(cases)) {
      for (const value of rounds) readings.add(measure, name, value)
    }
  }
  return readings
}

describe('figures of the benchmark', () => {
  test('compare each round with the same round of the reference', () => {
    const readings = filled({ rate: { nginx: [10, 40, 20], gateway: [5, 10, 8] } })
    expect(readings.ratio('rate', 'gateway', 'nginx')).toEqual({ median: 0.4, lowest: 0.25, highest: 0.5 })
    expect(readings.spread('rate', 'gateway')).toEqual({ median: 8, lowest: 5, highest: 10 })
    expect(readings.ratio('rate', 'gateway', 'stock')).toBeUndefined()
  })

  test('say which goals are reached, and nothing about what was not measured', () => {
    const rate = MEASURES.rate(BUSY)
    const judged = goals(
      filled({ [rate]: { nginx: [100], stock: [10], gateway: [29] }, [IDLE_MEMORY]: { gateway: [30] } }),
    ).flatMap(({ goal, reached }) => (reached === undefined ? [] : [[goal, reached]]))
    expect(judged).toEqual([
      ['requests/s on one core, nginx = 1', false],
      ['requests/s, stock @fastify/http-proxy = 1', true],
      ['memory of an idle stream, KB', true],
    ])
  })

  test('mark a row whose proxy was waiting for work', () => {
    const rows = ['nginx', 'gateway'].map((name) => ({ name, title: name, start: async () => '' }))
    const readings = filled({
      [MEASURES.rate(BUSY)]: { nginx: [100], gateway: [50] },
      [MEASURES.busy(BUSY)]: { nginx: [0.7], gateway: [0.99] },
    })
    const text = ratioTables(rows, [BUSY], readings)
    expect(text).toContain('| nginx | 1.00 † |')
    expect(text).toContain('| gateway | 0.50 |')
  })
})
