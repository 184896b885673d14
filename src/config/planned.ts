import type { ConfigPath, PlacedFault } from './fault.ts'
import { valueAt } from './shape.ts'

/** Something that belongs to Gatehouse but not to this version; faults of the schema below `covers` add nothing. */
export interface Planned extends PlacedFault {
  readonly covers: readonly ConfigPath[]
}

/** Everything in a file that a later version will understand: refused plainly, never ignored. */
export function findPlanned(root: unknown): Planned[] {
  return plannedDatabase(root)
}

/** The keys of the block at `path`; none when there is no block. */
export function keysOf(root: unknown, path: ConfigPath): string[] {
  const value = valueAt(root, path)
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.keys(value) : []
}

function plannedDatabase(root: unknown): Planned[] {
  const database = valueAt(root, ['database'])
  return typeof database === 'string' && /^postgres(ql)?:/i.test(database)
    ? [planned(['database'], 'PostgreSQL', 'write sqlite:FILE, such as sqlite:data/gatehouse.db', [['database']])]
    : []
}

function planned(path: ConfigPath, what: string, fix: string, covers: readonly ConfigPath[]): Planned {
  return { path, problem: `${what} is planned, but not in this version`, fix, covers }
}
