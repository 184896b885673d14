import { describe, expect, it } from 'vitest'
import { configOf, edit, problemOf, problemsOf } from './base.ts'

const SECRET_LINE = '    client_secret: corp-client-secret\n'

/** The base, with these lines as `upstream_clients` of `corp`. */
function withClients(...lines: string[]): string {
  return edit([SECRET_LINE, `${SECRET_LINE}    upstream_clients:\n      ${lines.join('\n      ')}\n`])
}

function rulesOf(text: string) {
  const [corp] = configOf(text).providers
  if (corp?.type !== 'oidc') throw new Error('not the provider of the base')
  return corp.upstreamClients
}

const MAPPED = [
  'mode: mapped',
  'rules:',
  '  - match: { client_id_host: claude.ai }',
  '    client_id: claude-at-corp',
  '    client_secret: claude-secret-at-corp',
  '    name: Claude',
]

describe('upstream_clients', () => {
  it('is shared unless something else is written', () => {
    expect(rulesOf(edit())).toEqual({ mode: 'shared' })
    expect(rulesOf(withClients('mode: shared'))).toEqual({ mode: 'shared' })
  })

  it('maps clients by rules, and shows no secret', () => {
    const rules = rulesOf(
      withClients(
        ...MAPPED,
        '  - match: { client_name: "Cur*", redirect_host: localhost }',
        '    client_id: b',
        'otherwise: refuse',
      ),
    )
    expect(rules).toMatchObject({
      mode: 'mapped',
      otherwise: 'refuse',
      rules: [
        {
          match: { clientIdHost: 'claude.ai' },
          client: { kind: 'mapped', clientId: 'claude-at-corp', name: 'Claude' },
        },
        { match: { clientName: 'Cur*', redirectHost: 'localhost' }, client: { kind: 'mapped', clientId: 'b' } },
      ],
    })
    expect(JSON.stringify(rules)).not.toContain('claude-secret-at-corp')
    expect(rulesOf(withClients(...MAPPED))).toMatchObject({ otherwise: 'shared' })
  })

  it('registers clients, with a bound, where the metadata or the operator say', () => {
    const mirrored = [
      'mode: mirrored',
      'registration_endpoint: https://login.example.com/reg',
      'initial_access_token: initial-token',
      'max_clients: 7',
    ]
    const [corp] = configOf(withClients(...mirrored)).providers
    expect(corp).toMatchObject({
      upstreamClients: { mode: 'mirrored', maxClients: 7 },
      registration: { endpoint: 'https://login.example.com/reg' },
    })
    expect(JSON.stringify(corp)).not.toContain('initial-token')
    expect(rulesOf(withClients('mode: mirrored'))).toEqual({ mode: 'mirrored', maxClients: 1000 })
    expect(rulesOf(edit())).toEqual({ mode: 'shared' })
  })

  it.each<[string, string[], string, RegExp, RegExp]>([
    ['rules beside mirrored', ['mode: mirrored', 'rules: []'], 'rules', /not a key/, /registration_endpoint/],
    [
      'an endpoint in the clear',
      ['mode: mirrored', 'registration_endpoint: http://login.example.com/reg'],
      'registration_endpoint',
      /secrets/,
      /https/,
    ],
    ['no mode', ['rules: []'], 'mode', /missing/, /shared, mapped, mirrored/],
    ['an unknown mode', ['mode: magic'], 'mode', /possible/, /shared, mapped/],
    ['mapped without rules', ['mode: mapped'], 'rules', /missing/, /gateway.yaml.example/],
    ['an empty list of rules', ['mode: mapped', 'rules: []'], 'rules', /empty/, /./],
    [
      'a match that fits everybody',
      [...MAPPED, '  - match: {}', '    client_id: b'],
      'rules[1].match',
      /every client/,
      /name what/,
    ],
    [
      'the same match twice',
      [...MAPPED, '  - match: { client_id_host: claude.ai }', '    client_id: b'],
      'rules[1].match',
      /rule 1/,
      /remove/,
    ],
    [
      'a host with a path',
      ['mode: mapped', 'rules:', '  - match: { client_id_host: "claude.ai/x" }', '    client_id: b'],
      'rules[0].match.client_id_host',
      /not a host/,
      /./,
    ],
    [
      'a rule without a client',
      ['mode: mapped', 'rules:', '  - match: { client_id: a }'],
      'rules[0].client_id',
      /missing/,
      /client_id:/,
    ],
    [
      'a slip in a match',
      ['mode: mapped', 'rules:', '  - match: { client_host: claude.ai }', '    client_id: b'],
      'rules[0].match.client_host',
      /not a key/,
      /client_id_host/,
    ],
  ])('refuses %s', (_, lines, path, problem, fix) => {
    const found = problemsOf(withClients(...lines)).find(
      (one) => one.path === `providers.corp.upstream_clients.${path}`,
    )
    expect(found?.problem).toMatch(problem)
    expect(found?.fix).toMatch(fix)
  })

  it('is refused where people sign in with passwords', () => {
    const at = '    type: password\n'
    const { path, problem, fix } = problemOf(edit([at, `${at}    upstream_clients: { mode: shared }\n`]))
    expect(path).toBe('providers.home.upstream_clients')
    expect(problem).toMatch(/password/)
    expect(fix).toMatch(/oidc or oauth2/)
  })

  it('needs no client_id beside mirrored, where nobody is that client, and one beside everything else', () => {
    const without = (text: string) => text.replace('    client_id: gatehouse\n', '').replace(SECRET_LINE, '')
    expect(rulesOf(without(withClients('mode: mirrored')))).toMatchObject({ mode: 'mirrored' })
    for (const text of [edit(), withClients('mode: shared'), withClients(...MAPPED)]) {
      const { path, problem, fix } = problemOf(without(text))
      expect([path, problem]).toEqual(['providers.corp.client_id', 'is missing'])
      expect(fix).toMatch(/mirrored/)
    }
  })

  it('needs no client_id beside mirrored in a preset either', () => {
    const preset = (...lines: string[]) =>
      edit([
        '    type: oidc\n    issuer: https://login.example.com/realms/main\n    client_id: gatehouse\n',
        `    preset: generic-oidc\n    issuer: https://login.example.com/realms/main\n    ${lines.join('\n    ')}\n`,
      ])
    const text = preset('upstream_clients: { mode: mirrored }').replace(SECRET_LINE, '')
    expect(rulesOf(text)).toMatchObject({ mode: 'mirrored' })
    expect(problemOf(preset('upstream_clients: { mode: shared }')).path).toBe('providers.corp.client_id')
  })
})
