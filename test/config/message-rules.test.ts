import { describe, expect, it } from 'vitest'
import { BASE, configOf, problemsOf } from './base.ts'

/** The base file with lines below the route /notes. */
function notes(lines: string): string {
  return BASE.replace('  /notes:\n', `  /notes:\n${lines.replaceAll(/^/gm, '    ')}\n`)
}

const route = (lines: string) => configOf(notes(lines)).routes[2]
const SCOPES = `scopes:
  read: { tools: ["get_*"], methods: [resources/read] }
  write: { tools: [push], includes: [read] }
  admin: { tools: ["*"], includes: [write] }
  prompts: { methods: [prompts/get] }
`

describe('what a route says about tools and scopes', () => {
  it('is nothing by default: one scope, and nobody looks at what is asked', () => {
    for (const one of configOf(BASE).routes) {
      expect(one.scopes).toEqual(['mcp'])
      expect(one).not.toHaveProperty('rules')
      expect(one).not.toHaveProperty('defaultScopes')
    }
  })

  it('is which tools there are', () => {
    expect(route('tools: { allow: ["repo_*", me], deny: [repo_delete] }')).toMatchObject({
      scopes: ['mcp'],
      rules: { allow: ['repo_*', 'me'], deny: ['repo_delete'], scopes: [] },
    })
    expect(route('tools: { deny: [drop] }')?.rules).not.toHaveProperty('allow')
  })

  it('is scopes, with everything that each implies (S-06), and those to ask for first (D-09)', () => {
    expect(route(SCOPES)).toMatchObject({
      scopes: ['read', 'write', 'admin', 'prompts'],
      defaultScopes: ['read', 'prompts'],
      rules: {
        deny: [],
        scopes: [
          { name: 'read', tools: ['get_*'], methods: ['resources/read'], implies: ['read'] },
          { name: 'write', tools: ['push'], methods: [], implies: ['write', 'read'] },
          { name: 'admin', tools: ['*'], implies: ['admin', 'write', 'read'] },
          { name: 'prompts', tools: [], methods: ['prompts/get'], implies: ['prompts'] },
        ],
      },
    })
    expect(route(`${SCOPES}default_scopes: [write]`)?.defaultScopes).toEqual(['write'])
    expect(route('scopes: { basic: {} }')?.rules?.scopes).toMatchObject([{ name: 'basic', tools: [], methods: [] }])
  })

  it.each([
    ['scopes: { a: { includes: [b] } }', 'scopes.a.includes[0]'],
    ['scopes: { a: { includes: [a] } }', 'scopes.a.includes'],
    ['scopes: { openid: {} }', 'scopes.openid'],
    ['scopes: { offline_access: {} }', 'scopes.offline_access'],
    ['scopes: { "a b": {} }', 'scopes.a b'],
    ['scopes: { "a,b": {} }', 'scopes.…'],
    ["scopes: { 'a\"b': {} }", 'scopes.…'],
    ['scopes: {}', 'scopes'],
    ['scopes: { a: { tools: [] } }', 'scopes.a.tools'],
    ['scopes: { a: { methods: [] } }', 'scopes.a.methods'],
    ['scopes: { a: { includes: [] } }', 'scopes.a.includes'],
    ['scopes: { a: { methods: ["tools call"] } }', 'scopes.a.methods[0]'],
    ['scopes: { a: { methods: [initialize] } }', 'scopes.a.methods[0]'],
    ['scopes: { a: { tool: [x] } }', 'scopes.a.tool'],
    ['scopes: { a: { tools: ["x y"] } }', 'scopes.a.tools[0]'],
    ['scopes: { a: {} }\ndefault_scopes: []', 'default_scopes'],
    ['scopes: { a: {} }\ndefault_scopes: [b]', 'default_scopes[0]'],
    ['default_scopes: [mcp]', 'default_scopes'],
    ['tools: {}', 'tools'],
    ['tools: { allow: [] }', 'tools.allow'],
    ['tools: { deny: [] }', 'tools.deny'],
    ['tools: { deny: [""] }', 'tools.deny[0]'],
    ['tools: [drop]', 'tools'],
  ])('refuses %s, with its place and what to write instead', (lines, path) => {
    const [problem, ...more] = problemsOf(notes(lines))
    expect(more).toEqual([])
    expect(problem?.path).toBe(`routes./notes.${path}`)
    expect(problem?.line).toBe(BASE.split('\n').indexOf('  /notes:') + 1 + lines.split('\n').length)
    expect(problem?.fix).not.toBe('')
  })

  it('refuses a circle at each of its scopes', () => {
    const circle = 'scopes: { a: { includes: [b] }, b: { includes: [c] }, c: { includes: [a] }, d: { includes: [a] } }'
    expect(problemsOf(notes(circle)).map(({ path }) => path)).toEqual(
      ['a', 'b', 'c'].map((name) => `routes./notes.scopes.${name}.includes`),
    )
  })
})

describe('whether calls are noted', () => {
  it('is no by default', () => {
    expect(configOf(BASE).audit.calls).toBe(false)
    expect(configOf(`${BASE}audit: { calls: true }\n`).audit).toEqual({ destination: { kind: 'log' }, calls: true })
    expect(problemsOf(`${BASE}audit: { calls: 1 }\n`)).toMatchObject([{ path: 'audit.calls' }])
  })
})
