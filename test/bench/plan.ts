import { parseArgs } from 'node:util'
import type { Case } from './case.ts'
import { baseline, CASES } from './cases.ts'

/** What to measure, and how long. */
export interface Plan {
  readonly cases: readonly Case[]
  readonly connections: readonly number[]
  readonly rounds: number
  /** Of each case in each round. */
  readonly seconds: number
  /** Only the whole measurement goes into docs/. */
  readonly writes: boolean
}

export const USAGE = `npm run bench -- [options]      without any: everything, about 15 minutes, and docs/performance.* are rewritten
  --quick                    one short round of everything; writes nothing, like all options
  --only CASE,CASE           ${CASES.map(({ name }) => name).join(', ')}
  --connections N,N          1, 16, 64, 256
  --rounds N  --seconds N    how often, and how long each time
  --baseline DIRECTORY       another checkout of this repository, as one more case
`

/** Reads the command line; throws with what is wrong with it. */
export function readPlan(args: readonly string[]): Plan {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
      connections: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      baseline: { type: 'string' },
    },
  })
  const lengths = values.quick ? { rounds: 1, seconds: 1, connections: [1, 64] } : FULL
  return {
    cases: [
      ...(values.only === undefined ? CASES : values.only.split(',').map(caseNamed)),
      ...(values.baseline === undefined ? [] : [baseline(values.baseline)]),
    ],
    connections: values.connections?.split(',').map(positive) ?? lengths.connections,
    rounds: values.rounds === undefined ? lengths.rounds : positive(values.rounds),
    seconds: values.seconds === undefined ? lengths.seconds : positive(values.seconds),
    writes: args.length === 0,
  }
}

const FULL = { rounds: 5, seconds: 2, connections: [1, 16, 64, 256] }

function caseNamed(name: string): Case {
  const found = CASES.find((one) => one.name === name)
  if (!found) throw new Error(`there is no case "${name}"`)
  return found
}

function positive(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new Error(`"${text}" is not a whole number from 1`)
  return value
}
