import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { createMetrics } from '../../src/metrics.ts'

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')
const DOCUMENT = read('docs/operations.md')

it('docs/operations.md explains every metric, and names none that is not there', async () => {
  const metrics = await createMetrics().registry.getMetricsAsJSON()
  const names = metrics.map(({ name }) => name).filter((name) => name.startsWith('gatehouse_'))
  expect(names.length).toBeGreaterThan(8)
  expect(new Set(DOCUMENT.match(/gatehouse_\w+/g))).toEqual(new Set(names))
  expect(names.filter((name) => !DOCUMENT.includes(`| \`${name}\` |`))).toEqual([])
})

it('docs/operations.md explains every event of the audit trail', () => {
  const events = [...read('src/audit.ts').matchAll(/event: ((?:'\w+'(?: \| )?)+)/g)].flatMap(
    ([, union = '']) => union.match(/\w+/g) ?? [],
  )
  expect(events.length).toBeGreaterThan(15)
  expect(unexplained(events)).toEqual([])
})

it('docs/operations.md explains every outcome of a request', () => {
  const sources = [
    'route-endpoint',
    'delivery',
    'authenticate',
    'exchange',
    'request-rates',
    'resolve-credential',
    'message-policy',
  ]
  const outcomes = sources
    .map((name) => read(`src/gateway/${name}.ts`))
    .flatMap((source) => [
      ...source.matchAll(/(?:refuse\(visit, |refuse\(|refused\(|reason: |outcome: |readonly kind: )'(\w+)'/g),
    ])
    .map(([, outcome]) => outcome ?? '')
    .filter((outcome) => !NO_OUTCOMES.has(outcome))
  expect(new Set(outcomes).size).toBeGreaterThan(20)
  expect(unexplained(outcomes)).toEqual([])
})

function unexplained(names: readonly string[]): string[] {
  return names.filter((name) => !DOCUMENT.includes(`\`${name}\``))
}

/** Other things that are written alike. */
const NO_OUTCOMES = new Set(['fresh', 'open', 'invalid', 'unavailable', 'allowed', 'denied'])
