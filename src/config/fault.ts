import { fail } from '../domain/result.ts'

/** What is wrong with one value, and what to write instead. Neither ever repeats the value: it may be a secret. */
export interface Fault {
  readonly problem: string
  readonly fix: string
}

/** A failed result that carries a {@link Fault}. */
export function fault(problem: string, fix: string): { readonly ok: false; readonly failure: Fault } {
  return fail({ problem, fix })
}

/** Where in the file: keys and list indexes from the top. */
export type ConfigPath = readonly (string | number)[]

/** A fault at its place. */
export interface PlacedFault extends Fault {
  readonly path: ConfigPath
}
