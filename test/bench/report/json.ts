import type { Case } from '../case.ts'
import { SIZE } from '../measure.ts'
import { BODIES } from '../measures/bodies.ts'
import { MEASURES } from '../measures/calls.ts'
import { EVENT_P50, QUIET_HEADERS } from '../measures/events.ts'
import { IDLE_MEMORY } from '../measures/idle-streams.ts'
import type { Plan } from '../plan.ts'
import type { Readings } from '../readings.ts'
import { goals } from './goals.ts'

const REFERENCES = ['nginx', 'stock', 'workers', 'gateway']

/** Everything of the tables, and each measure relative to every reference, for machines. */
export function asJson(plan: Pick<Plan, 'cases' | 'connections' | 'rounds' | 'seconds'>, readings: Readings): string {
  const measures = [
    ...plan.connections.flatMap((count) => [MEASURES.rate(count), MEASURES.cpu(count)]),
    ...[MEASURES.addedP50, MEASURES.addedP99, EVENT_P50, QUIET_HEADERS, IDLE_MEMORY],
    ...BODIES.map(({ measure }) => measure),
  ]
  const relative = (measure: string, reference: string) =>
    byCase(plan.cases, (name) => readings.ratio(measure, name, reference))
  const document = {
    node: process.versions.node.split('.')[0],
    rounds: plan.rounds,
    seconds: plan.seconds,
    goals: goals(readings),
    relativeTo: Object.fromEntries(
      REFERENCES.map((reference) => [
        reference,
        Object.fromEntries(measures.map((measure) => [measure, relative(measure, reference)])),
      ]),
    ),
    shareOfCore: Object.fromEntries(
      plan.connections.map((count) => [
        count,
        byCase(plan.cases, (name) => readings.spread(MEASURES.busy(count), name)?.median),
      ]),
    ),
    [IDLE_MEMORY]: byCase(plan.cases, (name) => readings.spread(IDLE_MEMORY, name)),
    [SIZE.measure]: {
      app: readings.values(SIZE.measure, SIZE.app)[0],
      node: readings.values(SIZE.measure, SIZE.node)[0],
    },
  }
  return `${JSON.stringify(document, (_, value) => (typeof value === 'number' ? Number(value.toFixed(3)) : value), 2)}\n`
}

function byCase<T>(cases: readonly Case[], of: (name: string) => T | undefined): Record<string, T> {
  return Object.fromEntries(
    cases.flatMap(({ name }) => {
      const value = of(name)
      return value === undefined ? [] : [[name, value] as const]
    }),
  )
}
