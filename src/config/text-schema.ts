import { z } from 'zod'
import { parseEncryptionKey } from '../domain/encryption-key.ts'
import { ok, type Result } from '../domain/result.ts'
import { Secret } from '../domain/secret.ts'
import { parseDuration } from './duration.ts'
import { type Fault, fault } from './fault.ts'

/** A YAML string that `parse` turns into a value; a {@link Fault} becomes an issue whose fix travels in `params`. */
export function text<T>(parse: (value: string) => Result<T, Fault>) {
  return z.string().transform((value, context) => {
    const parsed = parse(value)
    if (parsed.ok) return parsed.value
    const { problem, fix } = parsed.failure
    context.addIssue({ code: 'custom', message: problem, params: { fix } })
    return z.NEVER
  })
}

/** A duration up to `max`, in ms. */
export function duration(max: string) {
  return text((value) => parseDuration(value, max))
}

/** Text that matches `pattern`, as it stands. */
export function matching(pattern: RegExp, problem: string, fix: string) {
  return text((value) => (pattern.test(value) ? ok(value) : fault(problem, fix)))
}

/** A secret that matches `pattern`. */
export function secret(pattern: RegExp, problem: string, fix: string) {
  return text((value) => (pattern.test(value) ? ok(new Secret(value)) : fault(problem, fix)))
}

/** One value, or a list of them. */
export function oneOrMany<T extends z.ZodType<unknown, string>>(one: T) {
  return z.union([one.transform((value) => [value]), z.array(one).min(1)])
}

const NEW_KEY = 'run `gatehouse new-key` and use what it prints'
/** A random key has about 30 different bytes; one with fewer than this was typed or counted up. */
const MIN_DISTINCT_BYTES = 16

/** An encryption key that {@link parseEncryptionKey} understands and that is no placeholder. */
export const encryptionKey = text((value) => {
  const bytes = parseEncryptionKey(value)
  if (!bytes) return fault('is not an encryption key of 32 bytes', NEW_KEY)
  const steps = new Set(bytes.map((byte, index) => byte - (bytes[index - 1] ?? 0)))
  return new Set(bytes).size < MIN_DISTINCT_BYTES || steps.size < MIN_DISTINCT_BYTES
    ? fault('is a placeholder, not a random key', NEW_KEY)
    : ok(new Secret(value))
})
