import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { importsOf } from './architecture/imports.ts'
import { type SourceFile, violations } from './architecture/rules.ts'

const SRC = fileURLToPath(new URL('../src/', import.meta.url))

function readSources(): SourceFile[] {
  return readdirSync(SRC, { recursive: true, encoding: 'utf8' })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => path.endsWith('.ts'))
    .map((path) => ({ path, imports: importsOf(readFileSync(SRC + path, 'utf8')) }))
}

describe('the house', () => {
  test('imports only go down, strangers stay strangers, and every library lives in its one home', () => {
    const files = readSources()
    expect(files.flatMap((file) => file.imports).length).toBeGreaterThan(50)
    expect(violations(files)).toEqual([])
  })

  test('starts no process: nothing that a client sends could ever become a command (X-10)', () => {
    const spawning = /^(node:)?(child_process|cluster)$/
    expect(importsOf("import { spawn } from 'node:child_process'").some((name) => spawning.test(name))).toBe(true)
    const files = readSources()
    expect(files.filter(({ imports }) => imports.some((name) => spawning.test(name))).map(({ path }) => path)).toEqual(
      [],
    )
  })

  test.each([
    ['domain/route.ts', '../config/load.ts', 'goes up'],
    ['http/error-reply.ts', '../oauth/token.ts', 'goes up'],
    ['server.ts', './commands/serve.ts', 'goes up'],
    ['storage/sqlite.ts', '../config/gateway-config.ts', 'do not know each other'],
    ['vault.ts', './audit.ts', 'do not know each other'],
    ['oauth/token.ts', '../gateway/authenticate.ts', 'do not know each other'],
    ['gateway/authenticate.ts', '../oauth/token.ts', 'do not know each other'],
    ['domain/token.ts', 'node:fs', 'pure'],
    ['domain/token.ts', 'node:util', 'pure'],
    ['domain/token.ts', 'zod', 'pure'],
    ['oauth/token.ts', 'drizzle-orm/better-sqlite3', 'home is storage'],
    ['oauth/callback.ts', 'openid-client', 'home is providers'],
    ['gateway/forward.ts', 'jose', 'home is'],
    ['http/other.ts', 'undici', 'home is http/egress.ts'],
    ['gateway/forward.ts', '@modelcontextprotocol/server', 'home is demo'],
    ['oauth/token.ts', 'left-pad', 'has no home'],
    ['helpers/strings.ts', 'node:fs', 'no floor'],
    ['server.ts', './helpers/strings.ts', 'no floor'],
  ])('finds a planted violation: %s imports %s', (path, module, reason) => {
    expect(violations([{ path, imports: [module] }])).toEqual([expect.stringContaining(reason)])
  })

  test.each([
    ['domain/secret.ts', 'node:util'],
    ['domain/token.ts', './secret.ts'],
    ['oauth/pages/consent-page.ts', '../token.ts'],
    ['oauth/token.ts', '../storage/store.ts'],
    ['storage/sqlite.ts', 'drizzle-orm/better-sqlite3'],
    ['http/egress.ts', 'undici'],
    ['commands/demo.ts', '../demo/demo.ts'],
    ['cli.ts', './server.ts'],
  ])('has nothing against %s importing %s', (path, module) => {
    expect(violations([{ path, imports: [module] }])).toEqual([])
  })
})

describe('the reader of imports', () => {
  test('sees every form of import and re-export, in order', () => {
    const source = `#!/usr/bin/env node
import 'a'
import b from 'b'
import * as c from "c"
import { type D,
  d } from 'd'
import type { E } from 'e'
export * from 'f'
export { g } from 'g'
export type { H } from 'h'
const i = await import('i')
type J = import('j').J
import k, { type K } from 'k'
`
    expect(importsOf(source)).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k'])
  })

  test('sees none in comments, strings and other statements', () => {
    const source = `// import 'a'
/*
import b from 'b'
*/
const c = "import x from 'c'"
const url = 'http://example.com' // from 'd'
export const e = Array.from('e')
export function f() { return Buffer.from('f') }
`
    expect(importsOf(source)).toEqual([])
  })
})
