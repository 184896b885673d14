import { describe, expect, it } from 'vitest'
import { formatProblems } from '../../src/config/problems.ts'
import { BASE, configOf, edit, HASH, KEY, problemOf, problemsOf } from './base.ts'

const MINIMAL = `public_url: http://127.0.0.1:8080
encryption_keys: ["\${env:GATEHOUSE_KEY}"]
providers:
  corp: { type: oidc, issuer: "https://login.example.com", client_id: gatehouse }
routes:
  /github: { upstream: "http://127.0.0.1:8082/mcp", sign_in: corp, credential: { kind: static, value: \${env:PAT} } }
  /open: { upstream: "http://127.0.0.1:8083/mcp", sign_in: corp }
`
const ENV = { GATEHOUSE_KEY: KEY, PAT: 'the-pat' }

describe('gateway.yaml', () => {
  it('fills in the documented defaults (DESIGN 1.2)', () => {
    const config = configOf(MINIMAL, ENV)
    expect(config).toMatchObject({
      listen: { host: '127.0.0.1', port: 8080 },
      operations: { listen: { host: '127.0.0.1', port: 9090 } },
      trustedProxies: [],
      allowedOrigins: [],
      database: { kind: 'sqlite', file: 'data/gatehouse.db' },
      clients: { registration: 'open', static: [] },
      tokens: {
        accessTtlMs: 3_600_000,
        refreshIdleTtlMs: 30 * 86_400_000,
        refreshTtlMs: 180 * 86_400_000,
        refreshGraceMs: 60_000,
      },
      warnings: [],
    })
    expect(config.providers).toEqual([
      {
        type: 'oidc',
        upstreamClients: { mode: 'shared' },
        name: 'corp',
        issuer: 'https://login.example.com',
        clientId: 'gatehouse',
        scopes: ['openid', 'email', 'profile'],
        groupsClaim: 'groups',
        authorizationParameters: {},
        requiredClaims: {},
        refresh: { issued: 'sometimes', rotates: 'sometimes', graceMs: 0 },
        revocationEnds: 'account',
        tokenExchange: 'rfc8693',
      },
    ])
    const [github, open] = config.routes
    expect(github).toMatchObject({ title: 'github', resource: 'http://127.0.0.1:8080/github', scopes: ['mcp'] })
    expect(github?.inject).toMatchObject([
      { name: 'authorization', template: { parts: ['Bearer ', { variable: 'credential' }] } },
    ])
    expect(github?.credential.kind === 'static' && github.credential.value.reveal()).toBe('the-pat')
    expect(open).toMatchObject({ credential: { kind: 'none' }, inject: [] })
    expect(open).not.toHaveProperty('allow')
  })

  it('reads every key of a full file', () => {
    const config = configOf(
      edit(
        [
          'email_domains: [example.com]',
          'email_domains: [Example.COM]\n      groups: [Eng]\n      users: [Bob@Partner.example, sub-1]',
        ],
        ['  home:', '    groups_claim: roles\n  home:'],
      ),
    )
    expect(config.encryptionKeys[0].reveal()).toBe(KEY)
    expect(config.providers[0]).toMatchObject({ groupsClaim: 'roles', scopes: ['openid', 'email'] })
    const home = config.providers[1]
    expect(home?.type === 'password' && home.users.get('alice')?.reveal()).toBe(HASH)
    expect(config.routes[0]?.allow).toEqual({
      emailDomains: ['example.com'],
      groups: ['Eng'],
      users: ['bob@partner.example', 'Bob@Partner.example', 'sub-1'],
    })
    expect(config.routes[1]?.credential).toEqual({ kind: 'provider-token', provider: 'corp' })
    expect(config.clients.static).toMatchObject([
      {
        clientId: 'inspector',
        redirectUris: ['http://localhost:6274/oauth/callback'],
        tokenEndpointAuthMethod: 'client_secret_basic',
      },
    ])
    expect(config.clients.static[0]?.clientSecret?.reveal()).toBe('inspector-secret-of-32-characters')
  })

  it('finds every problem at once, each with its line, and says it in one line each', () => {
    const text = edit(
      ['https://mcp.example.com', 'https://mcp.example.com/'],
      ['upstream: http://127.0.0.1:8082/mcp', 'upstraem: http://127.0.0.1:8082/mcp'],
      ['sign_in: home', 'sign_in: nobody'],
      ['access_ttl: 1h', 'access_ttl: 0s'],
      ['client_id: gatehouse', `client_id: \${env:MISSING}`],
    )
    expect(problemsOf(text).map(({ line, path }) => [line, path])).toEqual([
      [1, 'public_url'],
      [14, 'providers.corp.client_id'],
      [22, 'routes./github.upstream'],
      [23, 'routes./github.upstraem'],
      [40, 'routes./notes.sign_in'],
      [52, 'tokens.access_ttl'],
    ])
    const printed = formatProblems('gateway.yaml', problemsOf(text)).split('\n')
    expect(printed[0]).toBe('gateway.yaml:1  public_url: ends with a slash → remove the slash at the end')
    expect(printed[3]).toMatch(/^gateway\.yaml:23 {2}routes\.\/github\.upstraem: .* → did you mean upstream\?$/)
    expect(printed).toHaveLength(6)
  })

  it.each([
    ['a typo at the top', 'listen: 127', 'lisen: 127', 'did you mean listen?'],
    ['a typo inside', 'refresh_grace', 'refreshgrace', 'did you mean refresh_grace?'],
    ['a typo in a list', 'redirect_uris', 'redirect_uri', 'did you mean redirect_uris?'],
    ['a typo in a provider', 'client_id: gatehouse', 'client_id: gatehouse\n    scope: [x]', 'did you mean scopes?'],
    ['something foreign', 'consent:', 'statistics: true\nconsent:', 'use one of: public_url, listen'],
  ])('refuses unknown keys: %s (B290)', (_what, from, to, fix) => {
    expect(problemsOf(edit([from, to])).some((problem) => problem.fix.startsWith(fix))).toBe(true)
  })

  it.each(['public_url', 'encryption_keys', 'providers', 'routes'])('says that %s is missing', (key) => {
    const lines = BASE.split('\n')
    const start = lines.findIndex((line) => line.startsWith(`${key}:`))
    const end = lines.findIndex((line, index) => index > start && /^\w/.test(line))
    const text = [...lines.slice(0, start), ...lines.slice(end)].join('\n')
    expect(problemsOf(text)).toContainEqual(expect.objectContaining({ path: key, problem: 'is missing', line: 1 }))
  })

  it.each([
    ['nothing', ''],
    ['only comments', '# later\n'],
    ['a list', '- a\n'],
    ['one word', 'hello\n'],
  ])('refuses a file that holds %s', (_what, text) => {
    expect(problemOf(text)).toMatchObject({ line: 1, problem: 'the file holds no configuration' })
  })

  it('says what is empty or of the wrong shape', () => {
    expect(problemOf(edit(['database: sqlite:data/gatehouse.db', 'database:'])).problem).toBe('is empty')
    expect(problemOf(edit(['operations:\n  listen: 127.0.0.1:9090', 'operations: 127.0.0.1:9090'])).problem).toBe(
      'must be a block of keys',
    )
    expect(problemOf(edit([`encryption_keys:\n  - ${KEY}`, 'encryption_keys: []'])).path).toBe('encryption_keys')
    const noRoutes = `${BASE.slice(0, BASE.indexOf('routes:'))}routes: {}\n`
    expect(problemOf(noRoutes).problem).toBe('holds no route')
    expect(problemOf(edit(['client_id: gatehouse', 'client_id: 12345'])).fix).toMatch(/quotes/)
    expect(problemOf(edit(['[10.0.0.0/8]', '10.0.0.0/8']))).toMatchObject({
      problem: 'must be a list',
      fix: 'write for example trusted_proxies: [ "10.0.0.0/8" ]',
    })
  })
})

describe('what is planned', () => {
  it('refuses PostgreSQL plainly and says what works instead', () => {
    const problem = problemOf(edit(['sqlite:data/gatehouse.db', 'postgres://u:pg-password@db/x']))
    expect(problem).toMatchObject({
      path: 'database',
      problem: expect.stringMatching(/planned, but not in this version/),
    })
    expect(problem.fix).not.toBe('')
  })

  it('accepts the same keys where they ask for what this version does', () => {
    const text = edit([
      'registration: open',
      'registration: off\n  metadata_documents: { enabled: false, allow_hosts: [] }',
    ])
    expect(configOf(text).clients.registration).toBe('off')
    expect(configOf(text).clients.metadataDocuments.enabled).toBe(false)
  })
})
