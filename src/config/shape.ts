import { z } from 'zod'
import type { ConfigPath, PlacedFault } from './fault.ts'
import { didYouMean } from './problems.ts'

type Issue = z.core.$ZodIssue

/** The faults behind the issues of a schema, each with what to write instead. Values are never repeated. */
export function describeIssues(schema: z.ZodType, root: unknown, issues: readonly Issue[]): PlacedFault[] {
  return issues.flatMap((issue) => {
    const path = issue.path.map(toKey)
    return describeIssue(issue, path, schema, root)
  })
}

/** The value at `path`, or undefined. */
export function valueAt(root: unknown, path: ConfigPath): unknown {
  let value = root
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined
    value = (value as Record<string | number, unknown>)[key]
  }
  return value
}

function describeIssue(issue: Issue, path: ConfigPath, schema: z.ZodType, root: unknown): PlacedFault[] {
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => describeUnknownKey(key, path, schema, root))
  const example = exampleOf(findSchema(schema, path, root))
  const name = typeof path.at(-1) === 'string' ? `${path.at(-1)}: ` : '- '
  const write = example === undefined ? 'look it up in gateway.yaml.example' : `write for example ${name}${example}`
  const found = valueAt(root, path)
  const inner = issue.code === 'invalid_union' ? issuesOfVariant(issue, found) : []
  if (inner.length > 0)
    return inner.flatMap((one) => describeIssue(one, [...path, ...one.path.map(toKey)], schema, root))
  switch (issue.code) {
    case 'custom':
      return [{ path, problem: issue.message, fix: String(issue.params?.fix ?? write) }]
    case 'invalid_union':
    case 'invalid_value': {
      const options = issue.code === 'invalid_value' ? issue.values : optionsOf(issue)
      const problem = found === undefined ? 'is missing' : 'is not one of the possible values'
      return [{ path, problem, fix: `write one of: ${options.map(String).join(', ')}` }]
    }
    case 'invalid_key': {
      const [inner] = issue.issues
      const fix = inner?.code === 'custom' ? String(inner.params?.fix ?? write) : write
      return [{ path, problem: inner?.message ?? 'is not a key that is known here', fix }]
    }
    case 'invalid_type':
      return [{ path, problem: describeType(issue.expected, found), fix: fixType(issue.expected, found) ?? write }]
    case 'too_small':
      return [{ path, problem: isNumber(issue) ? `is less than ${issue.minimum}` : 'is empty', fix: write }]
    case 'too_big':
      return isNumber(issue)
        ? [{ path, problem: `is more than ${issue.maximum}`, fix: write }]
        : [{ path, problem: `has more than ${issue.maximum} entries`, fix: 'leave some out' }]
    default:
      return [{ path, problem: 'is not understood', fix: write }]
  }
}

/** Where one value may stand instead of a list: what is wrong with the one, or with the list, that is there. */
function issuesOfVariant(issue: Issue, found: unknown): readonly Issue[] {
  if (!('errors' in issue) || !Array.isArray(issue.errors)) return []
  const variants = issue.errors as readonly (readonly Issue[])[]
  const isOther = ([first]: readonly Issue[]) => first?.code === 'invalid_type' && first.path.length === 0
  return found === undefined ? [] : (variants.find((variant) => !isOther(variant)) ?? variants[0] ?? [])
}

function isNumber({ origin }: { readonly origin: string }): boolean {
  return origin === 'number' || origin === 'int'
}

function toKey(part: PropertyKey): string | number {
  return typeof part === 'symbol' ? String(part) : part
}

/** The discriminators of a union, which zod gives but does not type. */
function optionsOf(issue: Issue): unknown[] {
  return 'options' in issue && Array.isArray(issue.options) ? issue.options : []
}

function describeUnknownKey(key: string, path: ConfigPath, schema: z.ZodType, root: unknown): PlacedFault {
  const known = knownKeys(findSchema(schema, path, root), valueAt(root, path))
  const meant = didYouMean(key, known)
  const fix = meant === undefined ? `use one of: ${known.join(', ')}` : `did you mean ${meant}?`
  return { path: [...path, key], problem: 'is not a key that is known here', fix }
}

function describeType(expected: string, found: unknown): string {
  if (found === undefined) return 'is missing'
  if (found === null) return 'is empty'
  if (expected === 'string') return 'must be text'
  if (expected === 'boolean') return 'must be true or false'
  if (expected === 'number') return 'must be a number'
  if (expected === 'int') return 'must be a whole number'
  return expected === 'array' ? 'must be a list' : 'must be a block of keys'
}

function fixType(expected: string, found: unknown): string | undefined {
  const isPlain = typeof found === 'number' || typeof found === 'boolean'
  return expected === 'string' && isPlain ? 'put it in quotes, with its unit if it has one' : undefined
}

/** The schema of what stands at `path`, with its wrappers, which carry descriptions and examples. */
function findSchema(schema: z.ZodType, path: ConfigPath, root: unknown): z.ZodType | undefined {
  let current: z.ZodType | undefined = schema
  for (const [index, key] of path.entries())
    current = current && child(unwrap(current), key, valueAt(root, path.slice(0, index)))
  return current
}

/** Examples stand on the outermost schema that has any. */
function exampleOf(schema: z.ZodType | undefined): string | undefined {
  if (!schema) return undefined
  const examples: unknown = schema.meta()?.examples
  const example: unknown = Array.isArray(examples) ? examples[0] : undefined
  if (Array.isArray(example)) return `[ ${example.map((item) => `"${item}"`).join(', ')} ]`
  if (example !== undefined) return String(example)
  const inner = peel(schema)
  if (inner !== schema) return exampleOf(inner)
  const item = schema instanceof z.ZodArray ? exampleOf(schema.element as z.ZodType) : undefined
  return item && `[ "${item}" ]`
}

function knownKeys(schema: z.ZodType | undefined, value: unknown): string[] {
  const bare = schema && unwrap(schema)
  const object = bare instanceof z.ZodDiscriminatedUnion ? chooseOption(bare, value) : bare
  return object instanceof z.ZodObject ? Object.keys(object.shape) : []
}

function child(schema: z.ZodType, key: string | number, value: unknown): z.ZodType | undefined {
  if (schema instanceof z.ZodObject) return schema.shape[key] as z.ZodType | undefined
  if (schema instanceof z.ZodRecord) return schema.valueType as z.ZodType
  if (schema instanceof z.ZodArray) return schema.element as z.ZodType
  if (!(schema instanceof z.ZodDiscriminatedUnion)) return undefined
  const option = chooseOption(schema, value) ?? (schema.options[0] as z.ZodType | undefined)
  return option && child(unwrap(option), key, value)
}

function chooseOption(union: z.ZodDiscriminatedUnion, value: unknown): z.ZodType | undefined {
  const key = union.def.discriminator
  const wanted = valueAt(value, [key])
  return (union.options as z.ZodType[]).find(
    (option) => option instanceof z.ZodObject && (option.shape[key] as z.ZodType).safeParse(wanted).success,
  )
}

function unwrap(schema: z.ZodType): z.ZodType {
  const inner = peel(schema)
  return inner === schema ? schema : unwrap(inner)
}

function peel(schema: z.ZodType): z.ZodType {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodPrefault || schema instanceof z.ZodDefault)
    return schema.unwrap() as z.ZodType
  return schema instanceof z.ZodPipe ? (schema.in as z.ZodType) : schema
}
