import { fail, ok, type Result } from './result.ts'

/** Parameters of one request by name, with every value that was sent, in order. */
export type RequestParameters = ReadonlyMap<string, readonly string[]>

const MAX_PARAMETERS = 100

/**
 * Reads a query or form body (RFC 6749 Appendix B: application/x-www-form-urlencoded, UTF-8). Nothing is repaired:
 * broken percent-encoding, bytes that are not UTF-8 and NUL fail with a constant sentence.
 */
export function parseParameters(encoded: string): Result<RequestParameters, string> {
  const parameters = new Map<string, string[]>()
  const pairs = encoded.split('&').filter((pair) => pair !== '')
  if (pairs.length > MAX_PARAMETERS) return fail('too many parameters')
  for (const pair of pairs) {
    const mark = pair.indexOf('=')
    const name = decode(mark === -1 ? pair : pair.slice(0, mark))
    const value = decode(mark === -1 ? '' : pair.slice(mark + 1))
    if (name === undefined || value === undefined) return fail('parameters are not well-formed')
    const values = parameters.get(name)
    if (values) values.push(value)
    else parameters.set(name, [value])
  }
  return ok(parameters)
}

/** The only value of a parameter, or undefined; an empty one counts as absent (RFC 6749 §3.1). */
export function single(parameters: RequestParameters, name: string): string | undefined {
  const values = parameters.get(name)
  return values?.length === 1 && values[0] !== '' ? values[0] : undefined
}

/** Whether a parameter other than those in `repeatable` occurs more than once (RFC 6749 §3.1 and §3.2). */
export function hasRepeated(parameters: RequestParameters, repeatable: readonly string[] = []): boolean {
  return [...parameters].some(([name, values]) => values.length > 1 && !repeatable.includes(name))
}

function decode(text: string): string | undefined {
  try {
    const decoded = decodeURIComponent(text.replaceAll('+', ' '))
    return decoded.includes('\0') ? undefined : decoded
  } catch {
    return undefined
  }
}
