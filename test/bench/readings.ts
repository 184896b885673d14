/** The middle of the rounds, and their extremes. */
export interface Spread {
  readonly median: number
  readonly lowest: number
  readonly highest: number
}

/** What was measured: values by measure and case, in the order of the rounds. */
export interface Readings {
  add(measure: string, name: string, value: number): void
  /** The values themselves, of all rounds. */
  values(measure: string, name: string): readonly number[]
  /** The spread of the values; undefined if there are none. */
  spread(measure: string, name: string): Spread | undefined
  /** How `name` compares with `reference`, each round with the same round; undefined if there is nothing to compare. */
  ratio(measure: string, name: string, reference: string): Spread | undefined
}

/** Readings without any value. */
export function createReadings(): Readings {
  const all = new Map<string, number[]>()
  const key = (measure: string, name: string) => `${measure} ${name}`
  const values = (measure: string, name: string): readonly number[] => all.get(key(measure, name)) ?? []
  return {
    add(measure, name, value) {
      const list = all.get(key(measure, name)) ?? []
      list.push(value)
      all.set(key(measure, name), list)
    },
    values,
    spread: (measure, name) => spread(values(measure, name)),
    ratio(measure, name, reference) {
      const theirs = values(measure, reference)
      return spread(values(measure, name).map((value, round) => value / (theirs[round] ?? Number.NaN)))
    },
  }
}

/** The middle of some values; NaN if there are none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (index: number) => sorted[index] ?? Number.NaN
  const middle = sorted.length / 2
  return Number.isInteger(middle) ? (at(middle - 1) + at(middle)) / 2 : at(Math.floor(middle))
}

function spread(values: readonly number[]): Spread | undefined {
  const finite = values.filter(Number.isFinite)
  if (finite.length === 0) return undefined
  return { median: median(finite), lowest: Math.min(...finite), highest: Math.max(...finite) }
}
