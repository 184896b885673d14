const STEP = /^([A-Za-z0-9_-]+)(?:\[([A-Za-z0-9_&]*)\])?$/

/**
 * The value at `path` in `documents`, or undefined. Steps are separated by dots; `list[a&b]` is its first entry in which
 * all of these are true, `list[]` makes the rest of the path a list, one value for each entry.
 */
export function readPath(documents: Readonly<Record<string, unknown>>, path: string): unknown {
  return walk(documents, path.split('.'))
}

function walk(value: unknown, [step, ...rest]: readonly string[]): unknown {
  if (step === undefined) return value
  const [, name = '', filter] = STEP.exec(step) ?? []
  const member = own(value, name)
  if (filter === undefined) return walk(member, rest)
  if (!Array.isArray(member)) return undefined
  if (filter === '') return member.map((entry) => walk(entry, rest))
  const flags = filter.split('&')
  return walk(
    member.find((entry) => flags.every((flag) => own(entry, flag) === true)),
    rest,
  )
}

function own(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, name))
    return undefined
  return (value as Record<string, unknown>)[name]
}
