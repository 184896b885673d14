import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { citingTitles, coverageDocument, isKnownId, openRequirements } from './coverage-table.ts'

it('the table of requirements is current: otherwise run npm run coverage:requirements', () => {
  const written = readFileSync(new URL('./README.md', import.meta.url), 'utf8')
  expect(written.split('\n')).toEqual(coverageDocument().split('\n'))
})

it('every requirement is shown by a test or declined with a reason', () => {
  expect(openRequirements()).toEqual([])
})

it('no title cites an id that does not exist', () => {
  const titles = citingTitles()
  expect(titles.length).toBeGreaterThan(100)
  expect(titles.flatMap(({ file, ids }) => ids.filter((id) => !isKnownId(id)).map((id) => `${id} in ${file}`))).toEqual(
    [],
  )
})

it('an id is known only if it is in a catalogue', () => {
  for (const id of ['A-04', 'D-01', 'B062', 'C41', 'P-104']) expect(isKnownId(id)).toBe(true)
  for (const id of ['A-99', 'Z-01', 'B293', 'C72', 'P-105', 'B000', 'B', '']) expect(isKnownId(id)).toBe(false)
})
