import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { configOf, HASH, KEY, problemsOf } from './base.ts'

const DOCUMENT = readFileSync(new URL('../../docs/credentials.md', import.meta.url), 'utf8')
const ENV = {
  GATEHOUSE_KEY: KEY,
  CORP_CLIENT_SECRET: 'corp-client-secret',
  LINEAR_CLIENT_SECRET: 'linear-client-secret',
  GITHUB_PAT: 'github-pat',
  METRICS_KEY: 'metrics-key',
  ALICE_PASSWORD_HASH: HASH,
}

/** The beginning that all share, and each recipe under the heading above it. */
function recipes(): { readonly head: string; readonly recipes: ReadonlyMap<string, string> } {
  const found = new Map<string, string>()
  let heading = ''
  for (const [, title, block] of DOCUMENT.matchAll(/^#+ (.+)$|^```yaml\n([\s\S]*?)^```$/gm)) {
    if (title !== undefined) heading = title
    else if (found.has(heading)) throw new Error(`two blocks under ${heading}`)
    else found.set(heading, block ?? '')
  }
  const head = found.get('Credentials') ?? ''
  found.delete('Credentials')
  return { head, recipes: found }
}

const { head, recipes: all } = recipes()
const recipe = (heading: string) => head + (all.get(heading) ?? '')

/** What each recipe is for, by the kind of its first route. */
const KINDS: Readonly<Record<string, string>> = {
  Nothing: 'none',
  'One key for everybody': 'static',
  "Each user's own token": 'user-pat',
  "The provider's token": 'provider-token',
  'The token of a second provider': 'provider-token',
  'A token issued for the server': 'token-exchange',
  'At Entra: on-behalf-of': 'token-exchange',
  'A statement signed by the gateway': 'signed-jwt',
  'Your own authorization server': 'static',
}

describe('docs/credentials.md', () => {
  it('has a recipe for every kind that there is', () => {
    expect([...all.keys()]).toEqual(Object.keys(KINDS))
  })

  it.each(Object.entries(KINDS))('%s passes check-config without a warning', (heading, kind) => {
    const config = configOf(recipe(heading), ENV)
    expect(config.warnings).toEqual([])
    expect(config.routes[0]?.credential.kind).toBe(kind)
  })

  it.each([
    ['Nothing', 'kind: none', 'kind: nothing', 'routes./notes.credential.kind'],
    ['One key for everybody', 'value: ', 'values: ', 'routes./github.credential.values'],
    ["Each user's own token", 'label: GitHub personal access token', 'label: ""', 'routes./github.credential.label'],
    [
      "The provider's token",
      'kind: provider-token',
      'kind: provider-token, provider: x',
      'routes./wiki.credential.provider',
    ],
    ['The token of a second provider', 'provider: linear', 'provider: linea', 'routes./linear.credential.provider'],
    ['A token issued for the server', 'audience: search', 'audience: "a b"', 'routes./search.credential.audience'],
    ['At Entra: on-behalf-of', 'scope: api', 'audience: api', 'routes./planner.credential.audience'],
    ['A statement signed by the gateway', 'lifetime: 5m', 'lifetime: 5', 'routes./reports.credential.lifetime'],
    [
      'Your own authorization server',
      'kind: static, value',
      'kind: user-pat, label',
      'routes./metrics.credential.kind',
    ],
  ])('%s would fail with a mistake in it', (heading, from, to, path) => {
    expect(recipe(heading)).toContain(from)
    expect(problemsOf(recipe(heading).replace(from, to), ENV).map((problem) => problem.path)).toContain(path)
  })

  it('needs no other variable than those that it names', () => {
    const named = new Set([...DOCUMENT.matchAll(/\$\{env:(\w+)\}/g)].map(([, name]) => name))
    expect([...named].sort()).toEqual(Object.keys(ENV).sort())
  })
})
