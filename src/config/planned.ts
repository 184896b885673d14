import type { ConfigPath, PlacedFault } from './fault.ts'
import { valueAt } from './shape.ts'

/** Something that belongs to Gatehouse but not to this version; faults of the schema below `covers` add nothing. */
export interface Planned extends PlacedFault {
  readonly covers: readonly ConfigPath[]
}

const PLANNED_KINDS: readonly unknown[] = ['token-exchange', 'signed-jwt']

/** Everything in a file that a later version will understand: refused plainly, never ignored. */
export function findPlanned(root: unknown): Planned[] {
  return [
    ...keysOf(root, ['providers']).flatMap((name) => plannedProvider(root, ['providers', name])),
    ...keysOf(root, ['routes']).flatMap((name) => plannedCredential(root, ['routes', name])),
    ...plannedDatabase(root),
  ]
}

/** The keys of the block at `path`; none when there is no block. */
export function keysOf(root: unknown, path: ConfigPath): string[] {
  const value = valueAt(root, path)
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.keys(value) : []
}

function plannedProvider(root: unknown, path: ConfigPath): Planned[] {
  const type = valueAt(root, [...path, 'type'])
  const oauth2 =
    type === 'oauth2' ? [planned([...path, 'type'], 'type oauth2', 'use type: oidc or type: password', [path])] : []
  if (valueAt(root, [...path, 'preset']) === undefined) return oauth2
  const preset = [...path, 'preset']
  const covers = type === undefined ? [path] : [preset]
  return [...oauth2, planned(preset, 'preset', 'write type: oidc with the issuer of your provider', covers)]
}

function plannedCredential(root: unknown, path: ConfigPath): Planned[] {
  const credential = [...path, 'credential']
  const kind = valueAt(root, [...credential, 'kind'])
  if (PLANNED_KINDS.includes(kind)) {
    const fix = 'use kind: user-pat, static, provider-token or none'
    return [planned([...credential, 'kind'], `credential kind ${kind}`, fix, [credential])]
  }
  return []
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
