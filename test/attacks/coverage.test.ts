import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { attacksDocument, DECLINED, openRows, ROWS, shownBy } from './coverage-table.ts'

it('the table of attacks is current: otherwise run npm run coverage:requirements', () => {
  const written = readFileSync(new URL('./README.md', import.meta.url), 'utf8')
  expect(written.split('\n')).toEqual(attacksDocument().split('\n'))
})

it('every attack of priority 0 and 1, and every fault of MCP servers, is shown or declined with a reason', () => {
  const mustHold = openRows().filter(({ id, priority }) => priority === 'P0' || priority === 'P1' || /^C3\d$/.test(id))
  expect(mustHold.map(({ id }) => id)).toEqual([])
})

it('what is declined is a row, and no test shows it', () => {
  const [ids, shown] = [ROWS.map(({ id }) => id), shownBy()]
  for (const id of Object.keys(DECLINED)) {
    expect(ids).toContain(id)
    expect(shown.get(id), id).toBeUndefined()
  }
})
