import { parseArgs } from 'node:util'
import type { Case } from './case.ts'
import { baseline, CASES } from './cases.ts'

const PARTS = ['calls', 'bodies', 'events', 'idle', 'start', 'size'] as const
export type Part = (typeof PARTS)[number]

/** What to measure, and how long. */
export interface Plan {
  readonly cases: readonly Case[]
  readonly parts: ReadonlySet<Part>
  readonly connections: readonly number[]
  readonly rounds: number
  /** Of each case in each round. */
  readonly seconds: number
  /** Idle streams that are held at once, and how often. */
  readonly streams: number
  readonly streamRounds: number
  /** Only the whole measurement goes into docs/. */
  readonly writes: boolean
}

export const USAGE = `npm run bench -- [options]      without any: everything, about ten minutes, and docs/performance.* are rewritten
  --quick                    one short round of everything; writes nothing, like all options
  --only CASE,CASE           ${CASES.map(({ name }) => name).join(', ')}
  --measure PART,PART        ${PARTS.join(', ')}
  --connections N,N          for calls; 1, 16, 64, 256
  --rounds N  --seconds N    how often, and how long each time
  --baseline DIRECTORY       another checkout of this repository, as one more case
`

const FULL = { rounds: 3, seconds: 2, connections: [1, 16, 64, 256], streams: 5000, streamRounds: 3 }
const QUICK = { rounds: 1, seconds: 1, connections: [64], streams: 200, streamRounds: 1 }

/** Reads the command line; throws with what is wrong with it. */
export function readPlan(args: readonly string[]): Plan {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      measure: { type: 'string' },
      connections: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      baseline: { type: 'string' },
    },
  })
  const lengths = values.quick ? QUICK : FULL
  return {
    ...lengths,
    cases: [
      ...(values.only?.split(',').map(caseNamed) ?? CASES),
      ...(values.baseline === undefined ? [] : [baseline(values.baseline)]),
    ],
    parts: new Set(values.measure?.split(',').map(partNamed) ?? PARTS),
    connections: values.connections?.split(',').map(positive) ?? lengths.connections,
    rounds: values.rounds === undefined ? lengths.rounds : positive(values.rounds),
    seconds: values.seconds === undefined ? lengths.seconds : positive(values.seconds),
    writes: args.length === 0,
  }
}

function caseNamed(name: string): Case {
  const found = CASES.find((one) => one.name === name)
  if (!found) throw new Error(`there is no case "${name}"`)
  return found
}

function partNamed(name: string): Part {
  const found = PARTS.find((one) => one === name)
  if (!found) throw new Error(`there is nothing to measure by the name "${name}"`)
  return found
}

function positive(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new Error(`"${text}" is not a whole number from 1`)
  return value
}
