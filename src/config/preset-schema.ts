import { z } from 'zod'
import { OAuth2ProviderSchema, OidcProviderSchema } from './provider-schema.ts'

/** What a key of a preset is: `url` an address without a slash at the end, `host` a name, `segment` a part of a path. */
const KeySchema = z.strictObject({
  kind: z.enum(['url', 'host', 'segment']),
  description: z.string().min(1),
  example: z.string().min(1),
  default: z.string().min(1).optional(),
  /** Values that let in everybody who has an account anywhere, and the claim that then has to be required (U-11). */
  open: z.strictObject({ values: z.array(z.string()).min(1), claim: z.string().min(1) }).optional(),
})

const SourcesSchema = z
  .record(z.string(), z.url({ protocol: /^https$/ }))
  .refine((sources) => Object.keys(sources).length > 0, 'names no source')

/**
 * config/providers/NAME.yaml: a provider of gateway.yaml with holes. `provider` holds keys of that block, in which
 * `{key}` stands for what the operator gives under `keys`.
 */
export const PresetSchema = z
  .strictObject({
    title: z.string().min(1),
    type: z.enum(['oidc', 'oauth2']),
    keys: z.record(z.string().regex(/^[a-z][a-z_]*$/), KeySchema).default({}),
    provider: z.record(z.string(), z.unknown()).default({}),
    scopes: z.strictObject({ identity: z.array(z.string()), offline: z.array(z.string()) }),
    /** Parameters of an authorization request that this provider must never see. */
    refused_parameters: z.array(z.string()).default([]),
    /** Whether it registers clients that ask (RFC 7591), and whether that wants a token or a setting first. */
    registration: z.enum(['none', 'initial_access_token', 'setting', 'unknown']).default('unknown'),
    /** For people: what to register there, how groups arrive, what is unusual. */
    setup: z.string().min(1),
    groups: z.string().min(1),
    quirks: z.array(z.string().min(1)).default([]),
    /** What no source says for sure, one sentence each. */
    unverified: z.array(z.string().min(1)).default([]),
    sources: SourcesSchema,
  })
  .superRefine((preset, context) => {
    for (const { path, message } of findBlockFaults(preset))
      context.addIssue({ code: 'custom', path: ['provider', ...path], message })
    for (const key of holesIn(preset.provider))
      if (!(key in preset.keys)) context.addIssue({ code: 'custom', path: ['keys', key], message: 'is not described' })
  })

/** A preset that has been read. */
export type Preset = z.output<typeof PresetSchema>

/** Keys that stand open in the address of a revocation, and in the parameters sent there. */
const NOT_OURS = new Set(['client_id', 'access_token', 'token', 'token_type_hint'])

/** The keys that stand open in `value`, which is what `{…}` says in any text of it. */
export function holesIn(value: unknown): Set<string> {
  if (typeof value === 'string')
    return new Set([...value.matchAll(/\{([a-z_]+)\}/g)].map(([, key = '']) => key).filter((key) => !NOT_OURS.has(key)))
  const parts = typeof value === 'object' && value !== null ? Object.values(value) : []
  return new Set(parts.flatMap((part) => [...holesIn(part)]))
}

/** `value` with every open key that `keys` knows replaced. */
export function fillHoles(value: unknown, keys: Readonly<Record<string, string>>): unknown {
  if (typeof value === 'string')
    return value.replace(/\{([a-z_]+)\}/g, (whole, key: string) =>
      Object.hasOwn(keys, key) ? (keys[key] ?? '') : whole,
    )
  if (Array.isArray(value)) return value.map((part) => fillHoles(part, keys))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, fillHoles(part, keys)]))
}

/** The same checks as for gateway.yaml. What only the operator knows, such as the issuer of a generic provider, may lack. */
function findBlockFaults(preset: Pick<Preset, 'type' | 'keys' | 'provider' | 'scopes'>) {
  const examples = Object.fromEntries(Object.entries(preset.keys).map(([key, { example }]) => [key, example]))
  const block = {
    ...(fillHoles(preset.provider, examples) as Record<string, unknown>),
    type: preset.type,
    client_id: 'gatehouse',
    scopes: [...preset.scopes.identity, ...preset.scopes.offline],
  }
  const schema = preset.type === 'oidc' ? OidcProviderSchema : OAuth2ProviderSchema
  const issues = schema.safeParse(block).error?.issues ?? []
  return issues
    .filter((issue) => issue.path.length !== 1 || Object.hasOwn(block, String(issue.path[0])))
    .map((issue) => ({ path: [...issue.path], message: issue.message }))
}
