import { isAlias, isMap, isScalar, isSeq, LineCounter, type ParsedNode, parseDocument } from 'yaml'
import { type ExpansionSources, expand, holdsMark, type ShieldedText, shieldExpansions } from './expand.ts'
import type { ConfigPath, Fault } from './fault.ts'
import type { ConfigProblem } from './gateway-config.ts'
import { showPath } from './problems.ts'
import { describeSyntaxError, isMergeKey } from './yaml-faults.ts'

/** Stands where a value could not be read; a problem has already been noted there. */
export const UNREADABLE = Symbol('unreadable')

/** A YAML file as plain values, with all expansions done, and the line of each. */
export interface ConfigDocument {
  readonly value: unknown
  readonly problems: readonly ConfigProblem[]
  /** The line of `path`, or of the nearest thing around it that exists. */
  lineOf(path: ConfigPath): number
}

const MAX_LENGTH = 1024 * 1024

/** Reads YAML 1.2 (core schema) without aliases, tags and merge keys. Syntax errors are problems; nothing throws. */
export function readDocument(source: string, sources: ExpansionSources): ConfigDocument {
  if (source.length > MAX_LENGTH)
    return hopeless(1, { problem: 'the file is larger than 1 MiB', fix: 'check that this is the right file' })
  if (holdsMark(source)) {
    const line = source.split('\n').findIndex(holdsMark) + 1
    return hopeless(line, { problem: 'holds a private-use character', fix: 'remove it' })
  }
  const shielded = shieldExpansions(source)
  const lines = new LineCounter()
  try {
    const document = parseDocument(shielded.text, {
      lineCounter: lines,
      prettyErrors: false,
      // 'silent' would keep quiet about a second document.
      logLevel: 'error',
      version: '1.2',
      schema: 'core',
      strict: true,
      merge: false,
      uniqueKeys: false,
    })
    const problems = [...document.errors, ...document.warnings].map((error) => ({
      line: lines.linePos(error.pos[0]).line,
      path: '',
      ...describeSyntaxError(error.code),
    }))
    if (document.directives?.yaml.explicit)
      problems.unshift({ line: 1, path: '', problem: 'holds a %YAML directive', fix: 'remove it; this is YAML 1.2' })
    // The parser recovers from an error by guessing; judging the guesses would only confuse.
    if (problems.length > 0) return { ...hopeless(1), problems: firstOfEachLine(problems) }
    return readTree(document.contents, shielded, sources, lines)
  } catch {
    return hopeless(1, { problem: 'is too deeply nested to be read', fix: 'check that this is the right file' })
  }
}

function readTree(
  root: ParsedNode | null,
  shielded: ShieldedText,
  sources: ExpansionSources,
  counter: LineCounter,
): ConfigDocument {
  const problems: ConfigProblem[] = []
  const lines = new Map<string, number>()
  const lineAt = (node: ParsedNode) => counter.linePos(node.range[0]).line
  const note = (line: number, path: ConfigPath, fault: Fault) => {
    problems.push({ line, path: showPath(path), ...fault })
    return UNREADABLE
  }

  function readNode(node: ParsedNode | null, path: ConfigPath, keyLine: number): unknown {
    const line = node && isScalar(node) && node.value !== null ? lineAt(node) : keyLine
    lines.set(JSON.stringify(path), line)
    if (node === null) return null
    if (isAlias(node) || node.anchor !== undefined)
      return note(line, path, {
        problem: 'holds a YAML alias or anchor',
        fix: 'write it out; put text that starts with & or * in quotes',
      })
    if (node.tag !== undefined)
      return note(line, path, { problem: 'holds a YAML tag', fix: 'remove it; put text that starts with ! in quotes' })
    if (isMap(node)) return readMap(node, path)
    if (isSeq(node)) return node.items.map((item, index) => readNode(item, [...path, index], lineAt(item)))
    if (typeof node.value !== 'string') return node.value
    const expanded = expand(node.value, shielded, sources)
    return expanded.ok ? expanded.value : note(line, path, expanded.failure)
  }

  function readMap(map: ParsedNode, path: ConfigPath): unknown {
    const value: Record<string, unknown> = Object.create(null)
    const seen = new Map<string, number>()
    for (const { key, value: child } of isMap(map) ? map.items : []) {
      const line = key ? lineAt(key as ParsedNode) : lineAt(map)
      const name = isScalar(key) && key.value !== null ? String(key.source ?? key.value) : undefined
      const broken =
        name === undefined
          ? { problem: 'holds something that is no key', fix: 'write key: value' }
          : findBrokenKey(name)
      if (name === undefined || broken) {
        if (broken) note(line, path, broken)
        continue
      }
      const first = seen.get(name)
      if (first !== undefined) {
        note(line, [...path, name], {
          problem: `stands here a second time, after line ${first}`,
          fix: 'keep one of the two',
        })
        continue
      }
      seen.set(name, line)
      value[name] = readNode(child as ParsedNode | null, [...path, name], line)
    }
    return value
  }

  return {
    value: readNode(root, [], 1),
    problems,
    lineOf(path) {
      for (let length = path.length; length > 0; length--) {
        const line = lines.get(JSON.stringify(path.slice(0, length)))
        if (line !== undefined) return line
      }
      return 1
    },
  }
}

function findBrokenKey(name: string): Fault | undefined {
  if (isMergeKey(name)) return { problem: 'holds a YAML merge key', fix: 'write the keys out' }
  if (holdsMark(name) || name.includes(`\${`))
    return { problem: 'holds an expansion in a key', fix: `use \${env:NAME} and \${file:/path} in values only` }
  // It would be dropped silently by whatever copies this object.
  return name === '__proto__' ? { problem: 'holds a key that is never allowed', fix: 'remove it' } : undefined
}

function hopeless(line: number, fault?: Fault): ConfigDocument {
  return { value: UNREADABLE, problems: fault ? [{ line, path: '', ...fault }] : [], lineOf: () => line }
}

/** One mistake makes the parser stumble several times. */
function firstOfEachLine(problems: readonly ConfigProblem[]): ConfigProblem[] {
  const seen = new Set<number>()
  return problems.filter(({ line }) => !seen.has(line) && seen.add(line))
}
