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
const ID = /(?<![\w-])(?:[A-Z]-\d{2,3}|[BC]\d{1,3})(?![\w-])/g

/** Every title in test/ that cites a requirement (`A-04`) or a row of the attack catalogue (`B062`), in order of file. */
export function citingTitles(): CitingTitle[] {
  return testFiles().flatMap((file) => {
    const source = readFileSync(new URL(file, TESTS), 'utf8')
    return [...source.matchAll(TITLE)].flatMap(([, single, template, double]) => {
      const title = (single ?? template ?? double ?? '').replaceAll(/\\(.)/g, '$1')
      const ids = title.match(ID) ?? []
      return ids.length > 0 ? [{ file, title, ids }] : []
    })
  })
}

/** Whether an id is that of a requirement here, or lies in a catalogue that is tested elsewhere. */
export function isKnownId(id: string): boolean {
  if (requirements.requirements.some((requirement) => requirement.id === id)) return true
  const [, prefix, digits] = /^([A-Z]-?)(\d+)$/.exec(id) ?? []
  return requirements.elsewhere.some(
    (range) => range.prefix === prefix && Number(digits) >= range.from && Number(digits) <= range.to,
  )
}

/** test/conformance/README.md: which requirement is shown by which tests, and which is open. */
export function coverageDocument(): string {
  const titles = citingTitles()
  const rows = requirements.requirements.map(({ id, level, title, source }) => {
    const shown = titles.filter(({ ids }) => ids.includes(id)).map((one) => `${cell(one.title)} (${one.file})`)
    return { id, isOpen: shown.length === 0, line: [id, level, title, source, shown.join('<br>') || 'open'].map(cell) }
  })
  const open = rows.filter(({ isOpen }) => isOpen).map(({ id }) => id)
  return `# Which requirement is shown by which test

Written by \`npm run coverage:requirements\` from the titles of the tests; \`coverage.test.ts\` fails when it is stale.
Levels: M must, S should, Y may; ° follows from another row or from clients in the field. Attacks (B…) and faults (C…)
are cited in titles under test/attacks and elsewhere.

${rows.length} requirements, ${rows.length - open.length} shown, ${open.length} open: ${open.join(', ')}.

| Id | Level | Requirement | Source | Shown by |
|---|---|---|---|---|
${rows.map(({ line }) => `| ${line.join(' | ')} |`).join('\n')}
`
}

function testFiles(): string[] {
  return readdirSync(TESTS, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(test|suite)\.ts$/.test(file))
    .map((file) => file.replaceAll('\\', '/'))
    .toSorted()
}

function cell(text: string): string {
  return text
    .replaceAll('|', '\\|')
    .replaceAll(/\s+/g, ' ')
    .replaceAll('<br>', '\u0000')
    .replaceAll('<', '&lt;')
    .replaceAll('\u0000', '<br>')
}
