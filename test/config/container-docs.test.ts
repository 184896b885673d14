import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { parse } from 'yaml'
import { configOf, edit, KEY } from './base.ts'

const read = (name: string) => readFileSync(new URL(`../../docs/${name}`, import.meta.url), 'utf8')
const DOCUMENT = read('container.md')
const OURS = [
  ['listen: 127.0.0.1:8080', 'listen: 0.0.0.0:8080'],
  ['operations:\n  listen: 127.0.0.1:9090', `operations: { listen: "\${env:POD_IP}:9090" }`],
  ['database: sqlite:data/gatehouse.db', 'database: sqlite:data/gatehouse.db'],
  [`encryption_keys:\n  - ${KEY}`, `encryption_keys: ["\${file:/run/secrets/gatehouse_key}"]`],
] as const

it('docs/container.md writes lines of a gateway.yaml that pass check-config without a warning', () => {
  for (const [, line] of OURS) expect(DOCUMENT).toContain(line)
  const config = configOf(edit(...OURS), { POD_IP: '10.1.2.3' }, { '/run/secrets/gatehouse_key': `${KEY}\n` })
  expect(config.warnings).toEqual([])
  expect([config.listen, config.operations.listen]).toEqual([
    { host: '0.0.0.0', port: 8080 },
    { host: '10.1.2.3', port: 9090 },
  ])
})

it('docs/container.md gives the gateway as long to stop everywhere as it says that this takes', () => {
  const wanted = /Give it (\d+) s/.exec(DOCUMENT)?.[1]
  const given = DOCUMENT.matchAll(/(?:stop -t |--stop-timeout |stop_grace_period: |PeriodSeconds: )(\d+)/g)
  expect([...given].map(([, seconds]) => seconds)).toEqual(Array(4).fill(wanted))
})

it.each([
  ['container.md', ['services', 'apiVersion']],
  ['operations.md', ['groups']],
])('docs/%s shows other files in YAML that can be read', (name, keys) => {
  const blocks = [...read(name).matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(([, block = '']) => parse(block))
  expect(blocks.map((block) => Object.keys(block)[0])).toEqual(keys)
})
