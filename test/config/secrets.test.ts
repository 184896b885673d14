import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { formatProblems } from '../../src/config/problems.ts'
import { configOf, edit, HASH, KEY, load } from './base.ts'

/** Where secrets stand: what is written there in the base, and one to plant. */
const POSITIONS: readonly (readonly [from: string, secret: string])[] = [
  [KEY, 'Kp7vQ2xW9zR4tY6u-canary-key'],
  ['corp-client-secret', 'Zt5nB8mL3kJ6-canary-client-secret'],
  [HASH, 'Hx4cV7bN1mQ9-canary-password'],
  ['shared-pat', 'ghp_Wd6fG3hJ8kL2-canary-pat'],
  ['inspector-secret-of-32-characters', 'Qa1s-canary'],
]

/** All that a problem could be printed as. */
function output(text: string, env?: NodeJS.ProcessEnv): string {
  const loaded = load(text, env)
  if (loaded.ok) throw new Error('this configuration has no problem')
  return [formatProblems('gateway.yaml', loaded.problems), JSON.stringify(loaded), inspect(loaded, { depth: 9 })].join(
    '\n',
  )
}

/** Ways to break the value itself or what stands around it. */
const BREAKAGES: readonly (readonly [what: string, wrap: (secret: string) => string])[] = [
  ['as it is, where it is wrong', (secret) => secret],
  ['with a control character', (secret) => `"${secret}\\u0007"`],
  ['as a list', (secret) => `[${secret}]`],
  ['as a block', (secret) => `{ value: ${secret} }`],
  ['as a key', (secret) => `{ ${secret} }`],
  ['with two colons', (secret) => `${secret}: ${secret}: x`],
  ['with an open quote', (secret) => `"${secret}`],
  ['as an alias', (secret) => `*${secret}`],
  ['as an anchor', (secret) => `&${secret}`],
  ['as a tag', (secret) => `!${secret} x`],
  ['with an unknown escape', (secret) => `"${secret}\\q"`],
  ['after a reserved character', (secret) => `@${secret}`],
  ['in an expansion that does not exist', (secret) => `\${${secret}}`],
  ['behind an open expansion', (secret) => `"\${${secret}"`],
]

describe('secrets in a broken configuration', () => {
  it.each(BREAKAGES)('are never echoed: %s', (_what, wrap) => {
    const others = [['public_url:', 'publik_url:'] as const]
    const broken = edit(...POSITIONS.map(([from, secret]) => [from, wrap(secret)] as const), ...others)
    const printed = output(broken.replaceAll('""', '"'))
    expect(printed).not.toBe('')
    for (const [, secret] of POSITIONS) expect(printed).not.toContain(secret)
  })

  it.each(POSITIONS)('are never echoed when they come from an expansion: %#', (from, secret) => {
    const env = { CANARY: `${secret}\u0007` }
    const printed = output(edit([from, `\${env:CANARY}`], ['public_url:', 'publik_url:']), env)
    expect(printed).toContain('publik_url')
    expect(printed).not.toContain(secret)
  })

  it('are never echoed when an expansion puts one where it does not belong', () => {
    const canary = 'Hx4cV7bN1mQ9-canary'
    for (const from of [
      'https://mcp.example.com',
      '127.0.0.1:9090',
      '10.0.0.0/8',
      'https://app.example.com',
      'sqlite:data/gatehouse.db',
      'https://login.example.com/realms/main',
      'http://127.0.0.1:8082/mcp',
      'example.com]',
      'provider-token',
      '{user.sub}',
      'client_secret_basic',
      'http://localhost:6274/oauth/callback',
      '60s',
      'never',
    ]) {
      const end = from.endsWith(']') ? ']' : ''
      const printed = output(edit([from, `\${env:CANARY}${end}`], ['consent:', 'konsent: x\nconsent:']), {
        CANARY: `${canary} {`,
      })
      expect(printed, from).not.toContain(canary)
    }
  })

  it('never print from a configuration that is fine', () => {
    const config = configOf(edit())
    const printed = inspect(config, { depth: 9 }) + JSON.stringify(config)
    for (const [secret] of POSITIONS) expect(printed).not.toContain(secret)
  })

  it('hide a hash whose commas YAML took apart for want of quotes', () => {
    const block = `users:\n      alice: "${HASH}"`
    const printed = output(edit([block, `users: { alice: ${HASH} }`]))
    expect(printed).not.toContain(HASH.slice(-30))
    expect(printed).toMatch(/in quotes/)
  })
})
