import { MEASURES } from '../measures/calls.ts'
import { EVENT_P50, QUIET_HEADERS } from '../measures/events.ts'
import { IDLE_MEMORY } from '../measures/idle-streams.ts'
import { READY } from '../measures/start.ts'
import type { Readings, Spread } from '../readings.ts'
import { BUSY } from './tables.ts'

/** What the gateway is meant to reach, and what it did. */
export interface Goal {
  readonly goal: string
  readonly direction: 'at least' | 'at most'
  readonly bound: number
  readonly measured: Spread | undefined
  readonly reached: boolean | undefined
}

const RATE = MEASURES.rate(BUSY)
const CPU = MEASURES.cpu(BUSY)

/** All goals; without `reached` where nothing was measured. */
export function goals(readings: Readings): readonly Goal[] {
  const ratio = (measure: string, to: string, name = 'gateway') => readings.ratio(measure, name, to)
  const share = (measure: string, whole: number) => scaled(readings.spread(measure, 'gateway'), 1 / whole)
  return [
    atLeast('requests/s on one core, nginx = 1', 0.3, ratio(RATE, 'nginx')),
    atLeast('requests/s, stock @fastify/http-proxy = 1', 2.5, ratio(RATE, 'stock')),
    atLeast('requests/s, @cloudflare/workers-oauth-provider = 1', 8, ratio(RATE, 'workers')),
    atMost('CPU per request, nginx = 1', 3.75, ratio(CPU, 'nginx')),
    atMost('added p50 at one connection, nginx = 1', 1.25, ratio(MEASURES.addedP50, 'nginx')),
    atMost('CPU with a tool policy, without = 1', 1.15, ratio(CPU, 'gateway', 'tools')),
    atMost('CPU with an external JWT, with an opaque token = 1', 1.05, ratio(CPU, 'gateway', 'external')),
    atMost('memory of an idle stream, KB', 30, readings.spread(IDLE_MEMORY, 'gateway')),
    atMost('headers of a quiet stream, 50 ms = 1', 1, share(QUIET_HEADERS, 50)),
    atMost('event p50, nginx = 1', 1.3, ratio(EVENT_P50, 'nginx')),
    atLeast('10 MB requests, nginx = 1', 0.75, ratio('10 MB request', 'nginx')),
    atLeast('10 MB answers, nginx = 1', 0.75, ratio('10 MB answer', 'nginx')),
    atMost('ready after exec, 400 ms = 1', 1, share(READY, 400)),
  ]
}

/** The goals as a table in Markdown. */
export function goalTable(readings: Readings): string {
  const rows = goals(readings)
    .filter(({ measured }) => measured)
    .map(
      ({ goal, direction, bound, measured, reached }) =>
        `| ${goal} | ${direction} ${bound} | ${measured?.median.toFixed(2)} | ${reached ? 'yes' : '**no**'} |`,
    )
  return rows.length === 0 ? '' : ['| | goal | measured | reached |', '| --- | --- | --- | --- |', ...rows].join('\n')
}

function atLeast(goal: string, bound: number, measured: Spread | undefined): Goal {
  return { goal, direction: 'at least', bound, measured, reached: measured && measured.median >= bound }
}

function atMost(goal: string, bound: number, measured: Spread | undefined): Goal {
  return { goal, direction: 'at most', bound, measured, reached: measured && measured.median <= bound }
}

function scaled(spread: Spread | undefined, factor: number): Spread | undefined {
  if (!spread) return undefined
  return { median: spread.median * factor, lowest: spread.lowest * factor, highest: spread.highest * factor }
}
