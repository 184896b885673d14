import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { loadConfig, readConfigFile } from '../../src/config/load.ts'
import { BASE, configOf, edit, problemOf } from './base.ts'

const directories: string[] = []
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true })
})

function staticValue(text: string, env?: NodeJS.ProcessEnv, files?: Readonly<Record<string, string>>) {
  const credential = configOf(text, env, files).routes[0]?.credential
  return credential?.kind === 'static' ? credential.value.reveal() : undefined
}

function secretFile(content: string | Uint8Array): string {
  const directory = mkdtempSync(join(tmpdir(), 'gatehouse-'))
  directories.push(directory)
  writeFileSync(join(directory, 'secret'), content)
  return join(directory, 'secret')
}

describe('expansions (DESIGN 1.2)', () => {
  it.each([
    ['alone', `\${env:PAT}`, 'the-pat'],
    ['in double quotes', `"\${env:PAT}"`, 'the-pat'],
    ['in single quotes', `'\${env:PAT}'`, 'the-pat'],
    ['inside a longer string', `pre-\${env:PAT}-\${env:PAT}-post`, 'pre-the-pat-the-pat-post'],
    ['in a block scalar', `>-\n        \${env:PAT}`, 'the-pat'],
    ['from a file, without its line break', `\${file:/run/pat}`, 'file-pat'],
  ])('understands one %s', (_how, written, value) => {
    const text = edit(['value: shared-pat', `value: ${written}`])
    expect(staticValue(text, { PAT: 'the-pat' }, { '/run/pat': 'file-pat\n' })).toBe(value)
  })

  it('understands one without quotes inside braces, as DESIGN 1.2 writes it', () => {
    const block = '    credential:\n      kind: static\n      value: shared-pat\n'
    const text = edit([block, `    credential: { kind: static, value: \${env:PAT} }\n`])
    expect(staticValue(text, { PAT: 'the-pat' })).toBe('the-pat')
  })

  it('takes a value as it is: YAML, quotes and further expansions in it mean nothing', () => {
    const value = `a: b # "c" \${env:OTHER} {d}`
    expect(staticValue(edit(['shared-pat', `\${env:PAT}`]), { PAT: value, OTHER: 'x' })).toBe(value)
  })

  it('leaves comments alone', () => {
    expect(configOf(`# \${env:NOT_SET} \${whatever}\n${BASE}`).routes).toHaveLength(3)
  })

  it.each([
    ['a variable that is not set', `\${env:PAT}`, {}, /PAT, which is not set/],
    ['a variable that is empty (B290)', `\${env:PAT}`, { PAT: '' }, /PAT, which is empty/],
    ['a variable of blanks', `\${env:PAT}`, { PAT: ' \n' }, /PAT, which is empty/],
    ['a file that is not there', `\${file:/run/nothing}`, {}, /\/run\/nothing, which does not exist/],
    ['a relative file', `\${file:secrets/pat}`, {}, /whole path/],
    ['another form', `\${PAT}`, { PAT: 'x' }, /does not exist/],
    ['a shell default', `\${env:PAT:-none}`, { PAT: 'x' }, /does not exist/],
    ['an expansion that is not closed', `"\${env:PAT"`, { PAT: 'x' }, /without its }/],
  ])('refuses %s, at its line', (_what, written, env, problem) => {
    expect(problemOf(edit(['value: shared-pat', `value: ${written}`]), env)).toMatchObject({
      line: 29,
      path: 'routes./github.credential.value',
      problem: expect.stringMatching(problem),
    })
  })

  it.each([
    ['EACCES', 'which may not be read by this user', 'make it readable for the user that runs the gateway'],
    ['ENOENT', 'which does not exist', 'put the value there as plain text'],
  ])('says what to do about a file that ends in %s', (code, problem, fix) => {
    const readFile = () => {
      throw Object.assign(new Error(code), { code })
    }
    const text = edit(['value: shared-pat', `value: \${file:/run/pat}`])
    expect(loadConfig({ text, file: 'gateway.yaml', env: {}, readFile })).toMatchObject({
      problems: [{ line: 29, problem: expect.stringContaining(problem), fix }],
    })
  })

  it('refuses one in a key', () => {
    expect(problemOf(edit(['X-User:', `"\${env:HEADER}":`]), { HEADER: 'X-User' })).toMatchObject({
      line: 43,
      problem: expect.stringMatching(/in a key/),
    })
  })

  it.each([
    ['empty', '\n', /is empty/],
    ['not text', Uint8Array.of(0xff, 0xfe, 0x00), /is not UTF-8 text/],
  ])('refuses a secret file that is %s', (_what, content, problem) => {
    const secret = secretFile(content)
    const file = secretFile(edit(['value: shared-pat', `value: \${file:${secret}}`]))
    const loaded = readConfigFile(file, {})
    expect(loaded.ok ? [] : loaded.problems).toMatchObject([{ line: 29, problem: expect.stringMatching(problem) }])
  })

  it('reads a real secret file, and says why a configuration file cannot be read', () => {
    const secret = secretFile('file-pat\r\n')
    const file = secretFile(edit(['value: shared-pat', `value: \${file:${secret}}`]))
    const credential = ((loaded) => (loaded.ok ? loaded.config.routes[0]?.credential : undefined))(
      readConfigFile(file, {}),
    )
    expect(credential?.kind === 'static' && credential.value.reveal()).toBe('file-pat')
    expect(readConfigFile(`${file}.not-there`, {})).toMatchObject({
      problems: [{ line: 1, path: '', problem: 'the file does not exist' }],
    })
    mkdirSync(`${file}.d`)
    expect(readConfigFile(`${file}.d`, {})).toMatchObject({ problems: [{ problem: 'the file is a directory' }] })
  })
})
