import { readdirSync, readFileSync } from 'node:fs'
import requirements from './requirements.json' with { type: 'json' }

/** A title of a test or of a group of tests, with the ids that it cites. */
export interface CitingTitle {
  /** Relative to test/. */
  readonly file: string
  readonly title: string
  readonly ids: readonly string[]
}

const TESTS = new URL('../', import.meta.url)
/** `it('…'`, `describe('…'`, and the title that follows the table of `it.each`. */
const TITLE =
  /(?:\b(?:it|test|describe)(?:\.\w+)*|\))\(\s*(?:'((?:[^'\\\n]|\\.)+)'|`((?:[^`\\]|\\.)+)`|"((?:[^"\\\n]|\\.)+)")/g
export const ID = /(?<![\w-])(?:[A-Z]-\d{2,3}|[BC]\d{1,3})(?![\w-])/g

/** Every title in test/ that cites a requirement (`A-04`) or a row of the attack catalogue (`B062`), in order of file. */
export function citingTitles(): CitingTitle[] {
  return testFiles().flatMap((file) => {
    return titlesOf(readFileSync(new URL(file, TESTS), 'utf8')).flatMap(({ title }) => {
      const ids = title.match(ID) ?? []
      return ids.length > 0 ? [{ file, title, ids }] : []
    })
  })
}

/** Every title in a test file, and where it stands. */
export function titlesOf(source: string): { readonly index: number; readonly title: string }[] {
  return [...source.matchAll(TITLE)].map(({ index, 1: single, 2: template, 3: double }) => ({
    index,
    title: (single ?? template ?? double ?? '').replaceAll(/\\(.)/g, '$1'),
  }))
}

/** Whether an id is that of a requirement here, or lies in a catalogue that is tested elsewhere. */
export function isKnownId(id: string): boolean {
  if (requirements.requirements.some((requirement) => requirement.id === id)) return true
  const [, prefix, digits] = /^([A-Z]-?)(\d+)$/.exec(id) ?? []
  return requirements.elsewhere.some(
    (range) => range.prefix === prefix && Number(digits) >= range.from && Number(digits) <= range.to,
  )
}

/** Why a requirement is not met, for those that are neither shown nor open. */
const declined: Readonly<Record<string, string>> = requirements.declined

/** Requirements that are neither shown by a test nor declined with a reason. */
export function openRequirements(): string[] {
  const cited = new Set(citingTitles().flatMap(({ ids }) => ids))
  return requirements.requirements.map(({ id }) => id).filter((id) => !cited.has(id) && declined[id] === undefined)
}

/** test/conformance/README.md: which requirement is shown by which tests, and which is open. */
export function coverageDocument(): string {
  const titles = citingTitles()
  const rows = requirements.requirements.map(({ id, level, title, source }) => {
    const shown = titles.filter(({ ids }) => ids.includes(id)).map((one) => `${cell(one.title)} (${one.file})`)
    const reason = shown.length === 0 ? declined[id] : undefined
    const last = reason === undefined ? shown.join('<br>') || 'open' : `declined: ${reason}`
    const isOpen = shown.length === 0 && reason === undefined
    return { id, isOpen, isDeclined: reason !== undefined, line: [id, level, title, source, last].map(cell) }
  })
  const open = rows.filter(({ isOpen }) => isOpen).map(({ id }) => id)
  const refused = rows.filter(({ isDeclined }) => isDeclined).length
  return `# Which requirement is shown by which test

Written by \`npm run coverage:requirements\` from the titles of the tests; \`coverage.test.ts\` fails when it is stale.
Levels: M must, S should, Y may; ° follows from another row or from clients in the field. Attacks (B…) and faults (C…)
are cited in titles under test/attacks and elsewhere.

${rows.length} requirements: ${rows.length - open.length - refused} shown, ${refused} declined with a reason, ${open.length} open${open.length > 0 ? `: ${open.join(', ')}` : ''}.

| Id | Level | Requirement | Source | Shown by |
|---|---|---|---|---|
${rows.map(({ line }) => `| ${line.join(' | ')} |`).join('\n')}
`
}

/** Every test file, relative to test/. */
export function testFiles(): string[] {
  return readdirSync(TESTS, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(test|suite)\.ts$/.test(file))
    .map((file) => file.replaceAll('\\', '/'))
    .toSorted()
}

/** `text` as a cell of a table; `<br>` stays a line break. */
export function cell(text: string): string {
  return text
    .replaceAll('|', '\\|')
    .replaceAll(/\s+/g, ' ')
    .replaceAll('<br>', '\u0000')
    .replaceAll('<', '&lt;')
    .replaceAll('\u0000', '<br>')
}
