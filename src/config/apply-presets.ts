import type { ConfigPath, Fault, PlacedFault } from './fault.ts'
import { keysOf } from './planned.ts'
import { fillHoles, holesIn, type Preset } from './preset-schema.ts'
import { findPreset, presetNames } from './presets.ts'
import { didYouMean } from './problems.ts'
import { OAuth2ProviderSchema, OidcProviderSchema } from './provider-schema.ts'
import { valueAt } from './shape.ts'
import { parseIssuer } from './web-address.ts'

/** A file's values with every `preset` replaced by what it stands for. */
export interface AppliedPresets {
  readonly root: unknown
  readonly faults: readonly PlacedFault[]
  /** Places where the schema has nothing to add to the faults. */
  readonly covers: readonly ConfigPath[]
}

type Block = Readonly<Record<string, unknown>>

/** Puts presets under the operator's own keys: theirs win, parameters are merged, `extra_scopes` are added. */
export function applyPresets(root: unknown): AppliedPresets {
  const faults: PlacedFault[] = []
  const covers: ConfigPath[] = []
  const names = keysOf(root, ['providers'])
  if (!names.some((name) => valueAt(root, ['providers', name, 'preset']) !== undefined)) return { root, faults, covers }

  const providers = names.map((name) => {
    const path: ConfigPath = ['providers', name]
    const block = valueAt(root, path) as Block
    const wanted = valueAt(block, ['preset'])
    if (wanted === undefined) return [name, block] as const
    const preset = typeof wanted === 'string' ? findPreset(wanted) : undefined
    if (!preset) {
      if (typeof wanted !== 'symbol') faults.push({ path: [...path, 'preset'], ...unknownPreset(wanted) })
      covers.push(path)
      return [name, block] as const
    }
    const found = findFaults(preset, block)
    faults.push(...found.map(({ path: at, ...fault }) => ({ path: [...path, ...at], ...fault })))
    covers.push(
      ...found.map(({ path: at }) => [...path, ...at]),
      ...unfilled(preset, block, found).map((key) => [...path, key]),
    )
    return [name, merge(preset, block)] as const
  })
  return { root: { ...(root as Block), providers: Object.fromEntries(providers) }, faults, covers }
}

function merge(preset: Preset, block: Block): Block {
  const { preset: _, extra_scopes, ...own } = block
  const kept = Object.entries(own).filter(([key]) => !Object.hasOwn(preset.keys, key) && isKnown(preset, key))
  const keys = Object.fromEntries(
    Object.entries(preset.keys).flatMap(([key, { kind, default: normally }]) => {
      const value = own[key] ?? normally
      return typeof value === 'string' ? [[key, kind === 'url' ? value.replace(/\/+$/, '') : value]] : []
    }),
  )
  const scopes = valueAt(own, ['scopes']) ?? [...preset.scopes.identity, ...preset.scopes.offline]
  const parameters = valueAt(own, ['authorization_parameters'])
  return {
    ...(fillHoles(preset.provider, keys) as Block),
    ...Object.fromEntries(kept),
    type: preset.type,
    scopes: Array.isArray(scopes) && Array.isArray(extra_scopes) ? [...scopes, ...extra_scopes] : scopes,
    ...(typeof parameters === 'object' && parameters !== null && !Array.isArray(parameters)
      ? { authorization_parameters: { ...(preset.provider.authorization_parameters as Block), ...parameters } }
      : {}),
  }
}

/** Keys of the preset that cannot be judged, because what belongs into their holes is missing or wrong. */
function unfilled(preset: Preset, block: Block, faults: readonly PlacedFault[]): string[] {
  const broken = Object.keys(preset.keys).filter(
    (key) => typeof block[key] === 'symbol' || faults.some(({ path }) => path[0] === key),
  )
  return Object.entries(preset.provider)
    .filter(([, value]) => broken.some((key) => holesIn(value).has(key)))
    .map(([key]) => key)
}

/** What is wrong with an operator's keys, as far as only the preset can tell. */
function findFaults(preset: Preset, block: Block): PlacedFault[] {
  const own = Object.keys(block)
  const known = [...knownKeys(preset), ...Object.keys(preset.keys)]
  const unknown = own
    .filter((key) => !known.includes(key))
    .map((key) => {
      const meant = didYouMean(key, known)
      const fix = meant === undefined ? `use one of: ${known.join(', ')}` : `did you mean ${meant}?`
      return { path: [key], problem: 'is not a key that is known here', fix }
    })
  const kept = Object.entries(preset.provider).filter(([key]) => !own.includes(key))
  const needed = holesIn(Object.fromEntries(kept))
  const holes = Object.entries(preset.keys).flatMap(([key, rules]): PlacedFault[] => {
    const value = block[key]
    const write = `write for example ${key}: ${rules.example}`
    if (value === undefined)
      return needed.has(key) && rules.default === undefined
        ? [{ path: [key], problem: 'is missing: the preset needs it', fix: `${write} (${rules.description})` }]
        : []
    if (typeof value === 'symbol') return []
    if (!isOfKind(rules.kind, value))
      return [{ path: [key], problem: `is not ${KINDS[rules.kind]}`, fix: `${write} (${rules.description})` }]
    const { open } = rules
    return open?.values.includes(String(value)) && valueAt(block, ['require_claims', open.claim]) === undefined
      ? [
          {
            path: [key],
            problem: 'lets everybody in who has an account there, of any organisation',
            fix: `name your own, or add require_claims: { ${open.claim}: [ … ] }`,
          },
        ]
      : []
  })
  return [...unknown, ...holes, ...findMismatches(preset, block)]
}

function findMismatches(preset: Preset, block: Block): PlacedFault[] {
  const { type, extra_scopes } = block
  const parameters = keysOf(block, ['authorization_parameters']).filter((name) =>
    preset.refused_parameters.includes(name),
  )
  const mirrored = valueAt(block, ['upstream_clients', 'mode']) === 'mirrored'
  const endpoint = valueAt(block, ['upstream_clients', 'registration_endpoint'])
  return [
    ...(mirrored && preset.registration === 'none' && endpoint === undefined
      ? [
          {
            path: ['upstream_clients', 'mode'],
            problem: 'cannot be mirrored: this provider registers no clients by itself',
            fix: 'write mode: mapped with clients that you register there by hand',
          },
        ]
      : []),
    ...(type === undefined || type === preset.type || typeof type === 'symbol'
      ? []
      : [{ path: ['type'], problem: `does not fit the preset, which is ${preset.type}`, fix: 'leave it out' }]),
    ...(extra_scopes === undefined || (Array.isArray(extra_scopes) && extra_scopes.length > 0)
      ? []
      : [{ path: ['extra_scopes'], problem: 'is not a list of scopes', fix: 'write a list, such as [repo]' }]),
    ...parameters.map((name) => ({
      path: ['authorization_parameters', name],
      problem: 'is a parameter that this provider refuses',
      fix: 'remove it',
    })),
  ]
}

const KINDS = { url: 'an https address', host: 'a host name', segment: 'a part of an address' }

function isOfKind(kind: keyof typeof KINDS, value: unknown): boolean {
  if (typeof value !== 'string') return false
  if (kind === 'url') return parseIssuer(value).ok
  return kind === 'host'
    ? /^[a-z0-9-]+(\.[a-z0-9-]+)+(:[0-9]{1,5})?$/i.test(value)
    : /^[A-Za-z0-9._~-]{1,200}$/.test(value)
}

function knownKeys({ type }: Preset): string[] {
  const schema = type === 'oidc' ? OidcProviderSchema : OAuth2ProviderSchema
  return ['preset', 'extra_scopes', ...Object.keys(schema.shape)]
}

function isKnown(preset: Preset, key: string): boolean {
  return knownKeys(preset).includes(key)
}

function unknownPreset(wanted: unknown): Fault {
  const names = presetNames()
  const meant = typeof wanted === 'string' ? didYouMean(wanted, names) : undefined
  return {
    problem: 'is not a preset that exists',
    fix: meant === undefined ? `write one of: ${names.join(', ')}` : `did you mean ${meant}?`,
  }
}
