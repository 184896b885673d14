import { readFileSync, writeFileSync } from 'node:fs'
import { SIZE } from '../measure.ts'
import type { Plan } from '../plan.ts'
import type { Readings } from '../readings.ts'
import { goalTable } from './goals.ts'
import { asJson } from './json.ts'
import { plots } from './plots.ts'
import { ratioTables } from './tables.ts'

const DOCS = new URL('../../../docs/', import.meta.url)
const MARKED = /(<!-- bench:begin -->\n)[\s\S]*(<!-- bench:end -->)/

/** Puts the figures into docs/: tables and plots between the marks of performance.md, and the same for machines. */
export function writeDocument(plan: Plan, readings: Readings): void {
  const images = plots(plan.cases, readings)
  for (const [name, svg] of images) writeFileSync(new URL(`images/${name}`, DOCS), svg)
  const shown = [...images].map(([name, svg]) => `![${/<title>(.*)<\/title>/.exec(svg)?.[1]}](images/${name})`)
  const parts = [goalTable(readings), ...shown, ratioTables(plan.cases, plan.connections, readings), sizeLine(readings)]
  const text = parts.filter((part) => part !== '').join('\n\n')
  const file = new URL('performance.md', DOCS)
  const before = readFileSync(file, 'utf8')
  writeFileSync(
    file,
    before.replace(MARKED, (_, begin, end) => `${begin}\n${text}\n\n${end}`),
  )
  writeFileSync(new URL('performance.json', DOCS), asJson(plan, readings))
}

function sizeLine(readings: Readings): string {
  const [app, node] = [SIZE.app, SIZE.node].map((name) => readings.values(SIZE.measure, name)[0]?.toFixed(0))
  return app === undefined
    ? ''
    : `An image holds ${app} MB of application and dependencies and ${node} MB of Node, plus its base.`
}
