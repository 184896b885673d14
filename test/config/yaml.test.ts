import { describe, expect, it } from 'vitest'
import { BASE, configOf, edit, problemOf, problemsOf } from './base.ts'

describe('the YAML of gateway.yaml (1.2, core schema)', () => {
  it.each([
    ['a tab as indentation', ['  listen: 127.0.0.1:9090', '\tlisten: 127.0.0.1:9090'], 4, /tab/],
    ['an unclosed quote', ['database: sqlite:data/gatehouse.db', 'database: "sqlite'], undefined, /closing quote/],
    ['an unclosed bracket', ['[10.0.0.0/8]', '[10.0.0.0/8'], undefined, /bracket/],
    ['two colons', ['client_id: gatehouse', 'client_id: gate: house'], 14, /two colons/],
    [
      'a line that is indented too far',
      ['    client_id: gatehouse', '      client_id: gatehouse'],
      13,
      /indented too far/,
    ],
    ['a line that is indented too little', ['    client_id: gatehouse', '   client_id: gatehouse'], 14, /neighbours/],
    ['an alias', ['sign_in: home', 'sign_in: *home'], 40, /alias/],
    ['an anchor', ['sign_in: home', 'sign_in: &home home'], 40, /anchor/],
    ['a tag', ['sign_in: home', 'sign_in: !!str home'], 40, /tag/],
    ['an unknown tag', ['sign_in: home', 'sign_in: !home x'], 40, /tag/],
    ['a merge key', ['sign_in: home', 'sign_in: home\n    <<: { title: x }'], 41, /merge/],
    ['__proto__', ['sign_in: home', 'sign_in: home\n    __proto__: { title: x }'], 41, /never allowed/],
    ['a list as key', ['sign_in: home', 'sign_in: home\n    ? [a]\n    : b'], 41, /no key/],
    ['a second document', ['consent:', '---\nconsent:'], 56, /second YAML document/],
    ['a private-use character', ['sign_in: home', 'sign_in: "\uE0000\uE001"'], 40, /private-use/],
  ] as const)('refuses %s with its line', (_what, [from, to], line, problem) => {
    const [first] = problemsOf(edit([from, to]))
    expect(first?.problem).toMatch(problem)
    if (line !== undefined) expect(first?.line).toBe(line)
  })

  it('refuses a key that stands twice, names both lines, and still finds everything else', () => {
    const text = edit(
      ['listen: 127', 'public_url: https://b.example\nlisten: 127'],
      ['access_ttl: 1h', 'access_ttl: 0s'],
    )
    expect(problemsOf(text)).toMatchObject([
      { line: 2, path: 'public_url', problem: 'stands here a second time, after line 1' },
      { line: 53, path: 'tokens.access_ttl' },
    ])
  })

  it('refuses a %YAML directive, which would change what words mean', () => {
    expect(problemOf(`%YAML 1.1\n---\n${BASE}`).problem).toMatch(/directive/)
  })

  it('reads yes and no as text, as YAML 1.2 does, and accepts a byte order mark and CRLF', () => {
    expect(configOf(edit(['sign_in: home', 'sign_in: home\n    title: no'])).routes[2]?.title).toBe('no')
    expect(configOf(`\uFEFF${BASE.replaceAll('\n', '\r\n')}`).routes).toHaveLength(3)
  })

  it('survives an alias bomb, endless nesting and a huge file without work', () => {
    const bomb = `a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nd: [*c,*c]\n${BASE}`
    expect(problemsOf(bomb)[0]?.line).toBe(1)
    expect(problemsOf('['.repeat(50_000))).toHaveLength(1)
    expect(problemOf(`#${'x'.repeat(1024 * 1024)}`).problem).toMatch(/1 MiB/)
  })
})
