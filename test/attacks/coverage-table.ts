import { readFileSync } from 'node:fs'
import { cell, citingTitles, ID, testFiles, titlesOf } from '../conformance/coverage-table.ts'
import catalogue from './catalogue.json' with { type: 'json' }

/** An attack (B…, with a priority) or a fault (C…) to be immune to. */
export interface Row {
  readonly id: string
  readonly priority?: string
  readonly group: string
  readonly what: string
}

export const ROWS: readonly Row[] = catalogue.rows
/** Why a row has no test. */
export const DECLINED: Readonly<Record<string, string>> = catalogue.declined

const TESTS = new URL('../', import.meta.url)
/** The first string of a row in the table of an `it.each`. */
const TABLE_ROW = /^\s*(?:\[\s*)?\[\s*'((?:[^'\\\n]|\\.)*)'/gm

/** For each id the titles that cite it, themselves or in a row of their table, with the file. */
export function shownBy(): ReadonlyMap<string, readonly string[]> {
  const shown = new Map<string, string[]>()
  const note = (id: string, file: string, title: string) => {
    const titles = shown.get(id) ?? []
    const entry = `${title} (${file})`
    if (!titles.includes(entry)) shown.set(id, [...titles, entry])
  }
  for (const { file, title, ids } of citingTitles()) for (const id of ids) note(id, file, title)
  for (const file of testFiles()) {
    const source = readFileSync(new URL(file, TESTS), 'utf8')
    const titles = titlesOf(source)
    for (const row of source.matchAll(TABLE_ROW)) {
      const title = titles.find(({ index }) => index > row.index)?.title
      if (title !== undefined) for (const id of row[1]?.match(ID) ?? []) note(id, file, title)
    }
  }
  return shown
}

/** Rows that neither a test shows nor a reason declines. */
export function openRows(): Row[] {
  const shown = shownBy()
  return ROWS.filter(({ id }) => !shown.has(id) && DECLINED[id] === undefined)
}

/** test/attacks/README.md: which row is shown by which tests. */
export function attacksDocument(): string {
  const shown = shownBy()
  const open = openRows().map(({ id }) => id)
  const groups = [...new Set(ROWS.map(({ group }) => group))]
  const tables = groups.map((group) => {
    const lines = ROWS.filter((row) => row.group === group).map(({ id, priority, what }) => {
      const reason = DECLINED[id]
      const last = shown.get(id)?.join('<br>') ?? (reason === undefined ? 'open' : `declined: ${reason}`)
      return `| ${[id, priority ?? '', what, last].map(cell).join(' | ')} |`
    })
    return `## ${group}\n\n| Id | Priority | Attack or fault | Shown by |\n|---|---|---|---|\n${lines.join('\n')}`
  })
  return `# Which attack is shown to fail by which test

Written by \`npm run coverage:requirements\` from the titles of the tests and the rows of their tables; \`coverage.test.ts\`
fails when it is stale. P0 must hold for every release, P1 must, P2 should; faults have no priority.

${ROWS.length} rows: ${ROWS.length - open.length - Object.keys(DECLINED).length} shown, ${Object.keys(DECLINED).length} declined with a reason, ${open.length} open${open.length > 0 ? `: ${open.join(', ')}` : ''}.

${tables.join('\n\n')}
`
}
