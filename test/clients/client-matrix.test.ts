import { existsSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { clientMatrix } from './client-matrix.ts'
import { GOLDEN_CLIENTS } from './golden-clients.ts'

it('the table of clients is current: otherwise run npm run clients:matrix', () => {
  const written = readFileSync(new URL('../../docs/clients.md', import.meta.url), 'utf8')
  expect(written.split('\n')).toEqual(clientMatrix().split('\n'))
})

it('each client has a row, and something that is asserted about it', () => {
  const rows = clientMatrix()
    .split('\n')
    .filter((line) => line.startsWith('| '))
  expect(rows).toHaveLength(GOLDEN_CLIENTS.length + 1)
  for (const { name, quirks } of GOLDEN_CLIENTS) expect(quirks.length, name).toBeGreaterThan(0)
})

it('the tests that it names exist', () => {
  const named = new Set(clientMatrix().match(/[\w-]+\.test\.ts/g))
  expect(named.size).toBeGreaterThan(2)
  for (const file of named) expect(existsSync(new URL(file, import.meta.url)), file).toBe(true)
})
