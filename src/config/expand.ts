import { isAbsolute } from 'node:path'
import { ok, type Result } from '../domain/result.ts'
import { type Fault, fault } from './fault.ts'

/** What an expansion may reach. `readFile` returns the text of a file or throws a Node error. */
export interface ExpansionSources {
  readonly env: NodeJS.ProcessEnv
  readonly readFile: (path: string) => string
}

/** A text whose expansions have been put out of the way of the YAML grammar, in which `{` and `}` mean something. */
export interface ShieldedText {
  readonly text: string
  /** The inner part of each expansion: `env:NAME` for `${env:NAME}`. */
  readonly expressions: readonly string[]
}

// Private-use characters, which no reasonable file holds (a file that does is refused).
const OPEN = '\uE000'
const CLOSE = '\uE001'
const MARK = /\uE000([0-9]+)\uE001/g

/** Replaces each `${…}` by a mark, on its line, so that `{ value: ${env:PAT} }` is YAML. */
export function shieldExpansions(text: string): ShieldedText {
  const expressions: string[] = []
  const shielded = text.replace(/\$\{([^}\n]*)\}/g, (_, expression: string) => {
    expressions.push(expression)
    return `${OPEN}${expressions.length - 1}${CLOSE}`
  })
  return { text: shielded, expressions }
}

/** Whether `text` holds a mark, or a character that could be taken for one. */
export function holdsMark(text: string): boolean {
  return text.includes(OPEN) || text.includes(CLOSE)
}

/** `text` with every mark replaced by what it stands for; the first that fails is the fault. */
export function expand(text: string, shielded: ShieldedText, sources: ExpansionSources): Result<string, Fault> {
  if (text.includes(`\${`)) return fault(`holds \${ without its }`, `write \${env:NAME} or \${file:/path} on one line`)
  const faults: Fault[] = []
  const expanded = text.replace(MARK, (_, index: string) => {
    const value = resolve(shielded.expressions[Number(index)] ?? '', sources)
    if (!value.ok) faults.push(value.failure)
    return value.ok ? value.value : ''
  })
  const [first] = faults
  return first ? fault(first.problem, first.fix) : ok(expanded)
}

function resolve(expression: string, sources: ExpansionSources): Result<string, Fault> {
  const env = /^env:([A-Za-z_][A-Za-z0-9_]*)$/.exec(expression)?.[1]
  if (env !== undefined) return readVariable(env, sources.env)
  if (expression.startsWith('file:')) return readSecretFile(expression.slice('file:'.length), sources)
  return fault(
    'holds an expansion that does not exist',
    `write \${env:NAME} or \${file:/path}; in inject, {credential} stands without a $`,
  )
}

function readVariable(name: string, env: NodeJS.ProcessEnv): Result<string, Fault> {
  const value = env[name]
  if (value === undefined) return fault(`needs the environment variable ${name}, which is not set`, `set ${name}`)
  return value.trim() === ''
    ? fault(`needs the environment variable ${name}, which is empty`, `set ${name}`)
    : ok(value)
}

function readSecretFile(path: string, { readFile }: ExpansionSources): Result<string, Fault> {
  if (!isAbsolute(path) || /\p{C}/u.test(path))
    return fault('names a file without its whole path', `write \${file:/path} with a path that starts at the root`)
  try {
    // Editors and `echo` end files with a line break that is not part of the secret.
    const value = readFile(path).replace(/\r?\n$/, '')
    return value.trim() === ''
      ? fault(`needs the file ${path}, which is empty`, `write the value into ${path}`)
      : ok(value)
  } catch (error) {
    const fix = fixReadError(error, 'put the value there as plain text')
    return fault(`needs the file ${path}, which ${describeReadError(error)}`, fix)
  }
}

/** Why a file could not be read, in words that can follow "which". */
export function describeReadError(error: unknown): string {
  const code = codeOf(error)
  if (code === 'ENOENT' || code === 'ENOTDIR') return 'does not exist'
  if (isDenied(code)) return 'may not be read by this user'
  if (code === 'EISDIR') return 'is a directory'
  if (code === 'EFBIG') return 'is far too large'
  return code === 'ERR_ENCODING_INVALID_ENCODED_DATA' ? 'is not UTF-8 text' : 'cannot be read'
}

/** What to do about it; `otherwise` where the right to read it is not what lacks. */
export function fixReadError(error: unknown, otherwise: string): string {
  return isDenied(codeOf(error)) ? 'make it readable for the user that runs the gateway' : otherwise
}

function isDenied(code: unknown): boolean {
  return code === 'EACCES' || code === 'EPERM'
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
