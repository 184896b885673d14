import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { PresetSchema } from '../../src/config/preset-schema.ts'
import { findPreset, presetNames } from '../../src/config/presets.ts'
import { BASE, configOf, edit, problemOf, problemsOf } from './base.ts'

const PLAIN = `type: oidc
    issuer: https://login.example.com/realms/main
    client_id: gatehouse
    client_secret: corp-client-secret
    scopes: [openid, email]
`

/** The base, with these keys as its provider `corp`. */
function corp(...lines: string[]): string {
  return edit([PLAIN, `${lines.join('\n    ')}\n`])
}

const CORP_LINE = BASE.split('\n').indexOf('  corp:') + 1

/** The provider that these keys mean. */
function providerOf(...lines: string[]) {
  const [provider] = configOf(corp(...lines)).providers
  if (!provider || provider.type === 'password') throw new Error('not a provider with presets')
  return provider
}

const ENTRA = ['preset: entra', 'tenant: 11111111-2222-3333-4444-555555555555', 'client_id: gatehouse']
const OAUTH2 = [
  'type: oauth2',
  'authorization_endpoint: https://tracker.example.com/oauth/authorize',
  'token_endpoint: https://tracker.example.com/oauth/token',
  'client_id: gatehouse',
  'identity: { requests: { user: { url: "https://tracker.example.com/me" } }, subject: [user.id] }',
]

describe('config/providers', () => {
  it('holds every provider that is promised', () => {
    const promised =
      'atlassian auth0 authentik cognito entra generic-oauth2 generic-oidc ghes github github-app gitlab google keycloak linear notion okta slack workos'
    expect(presetNames()).toEqual(promised.split(' '))
  })

  it.each(presetNames())('%s is valid, and names its sources', (name) => {
    const preset = findPreset(name)
    expect(Object.keys(preset?.sources ?? {}).length).toBeGreaterThan(0)
  })

  it.each(presetNames().filter((name) => !name.startsWith('generic-')))(
    '%s works with nothing but the keys that it names',
    (name) => {
      const keys = Object.entries(findPreset(name)?.keys ?? {})
        .filter(([, key]) => key.default === undefined)
        .map(([key, { example }]) => `${key}: ${JSON.stringify(example)}`)
      const provider = providerOf(`preset: ${name}`, ...keys, 'client_id: gatehouse')
      expect(JSON.stringify(provider)).not.toMatch(/\{(?!client_id|token|access_token|token_type_hint)[a-z_]+\}/)
    },
  )

  it('is strict: a key that nobody knows, an open key that nobody describes, a scope in two are refused', () => {
    const good = { title: 'x', type: 'oidc', scopes: { identity: ['openid'], offline: [] }, setup: 'x', groups: 'x' }
    const sources = { a: 'https://example.com/' }
    expect(PresetSchema.safeParse({ ...good, sources }).success).toBe(true)
    const issuer = 'https://{host}/'
    for (const bad of [
      { ...good },
      { ...good, sources, surprise: 1 },
      { ...good, sources, provider: { surprise: 1 } },
      { ...good, sources, provider: { issuer } },
      { ...good, sources, scopes: { identity: ['openid email'], offline: [] } },
      { ...good, sources: { a: 'http://example.com/' } },
    ])
      expect(PresetSchema.safeParse(bad).success, JSON.stringify(bad)).toBe(false)
  })
})

describe('a provider with a preset', () => {
  it('that registers no clients cannot mirror them, unless somebody says where; others can', () => {
    const mirrored = 'upstream_clients: { mode: mirrored }'
    const refused = problemOf(corp('preset: google', 'client_id: gatehouse', mirrored))
    expect(refused).toMatchObject({
      path: 'providers.corp.upstream_clients.mode',
      fix: expect.stringMatching(/mapped/),
    })
    const elsewhere =
      'upstream_clients: { mode: mirrored, registration_endpoint: "https://login.example.com/register" }'
    for (const lines of [
      ['preset: google', elsewhere],
      ['preset: keycloak', 'base_url: https://login.example.com', 'realm: main', mirrored],
      ['preset: generic-oidc', 'issuer: https://login.example.com', mirrored],
    ])
      expect(providerOf(...lines, 'client_id: gatehouse').upstreamClients.mode).toBe('mirrored')
  })

  it('of plain OAuth 2.0 has to say where clients are registered', () => {
    const missing = problemOf(corp(...OAUTH2, 'upstream_clients: { mode: mirrored }'))
    expect(missing.path).toBe('providers.corp.upstream_clients.registration_endpoint')
    const at = 'upstream_clients: { mode: mirrored, registration_endpoint: "https://tracker.example.com/register" }'
    const registration = { endpoint: 'https://tracker.example.com/register', exchanges: false }
    expect(providerOf(...OAUTH2, at).registration).toEqual(registration)
  })

  it('gets issuer, scopes and quirks from it (U-08)', () => {
    expect(providerOf(...ENTRA)).toMatchObject({
      type: 'oidc',
      issuer: 'https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0',
      scopes: ['openid', 'email', 'profile', 'offline_access'],
      emailVerifiedClaim: 'xms_edov',
    })
  })

  it('is what the operator says where they say something', () => {
    const issuer = 'https://login.microsoftonline.us/contoso.example/v2.0'
    expect(providerOf('preset: entra', `issuer: ${issuer}`, 'client_id: gatehouse')).toMatchObject({ issuer })
    expect(providerOf(...ENTRA, 'scopes: [openid]')).toMatchObject({ scopes: ['openid'] })
    expect(providerOf(...ENTRA, 'groups_claim: roles')).toMatchObject({ groupsClaim: 'roles' })
    const google = providerOf('preset: google', 'client_id: x', 'authorization_parameters: { hd: example.com }')
    expect(google.authorizationParameters).toEqual({ access_type: 'offline', prompt: 'consent', hd: 'example.com' })
  })

  it('asks for extra_scopes besides those of the preset (U-14)', () => {
    const github = providerOf('preset: github', 'client_id: x', 'extra_scopes: [repo, "read:org"]')
    expect(github.scopes).toEqual(['read:user', 'user:email', 'repo', 'read:org'])
  })

  it('fills the holes of addresses, without a slash in the middle', () => {
    const slash = providerOf(
      'preset: keycloak',
      'base_url: https://sso.example.com/auth/',
      'realm: main',
      'client_id: x',
    )
    expect(slash).toMatchObject({ issuer: 'https://sso.example.com/auth/realms/main' })
    const ghes = providerOf('preset: ghes', 'base_url: https://github.example.com', 'client_id: x')
    expect(ghes).toMatchObject({
      tokenEndpoint: 'https://github.example.com/login/oauth/access_token',
      identity: { requests: { user: { url: 'https://github.example.com/api/v3/user' } } },
    })
    expect(providerOf('preset: gitlab', 'client_id: x')).toMatchObject({ issuer: 'https://gitlab.com' })
  })

  it.each([
    ['an unknown preset', ['preset: entar', 'client_id: x'], 'preset', 1, /did you mean entra/],
    ['a preset like nothing', ['preset: facebook', 'client_id: x'], 'preset', 1, /write one of: atlassian, auth0/],
    ['a preset that is no text', ['preset: 7', 'client_id: x'], 'preset', 1, /write one of/],
    ['a missing tenant', ['preset: entra', 'client_id: x'], 'tenant', 0, /tenant: 1111/],
    ['a tenant that is a path', ['preset: entra', 'tenant: a/b', 'client_id: x'], 'tenant', 2, /tenant: 1111/],
    [
      'a domain that is an address',
      ['preset: okta', 'domain: https://x.okta.com', 'client_id: x'],
      'domain',
      2,
      /okta/,
    ],
    ['an http base', ['preset: ghes', 'base_url: http://ghes.example', 'client_id: x'], 'base_url', 2, /https/],
    ['every tenant (U-11)', ['preset: entra', 'tenant: common', 'client_id: x'], 'tenant', 2, /require_claims: \{ tid/],
    ['a key of another preset', [...ENTRA, 'realm: main'], 'realm', 4, /use one of/],
    ['a slip in a key', [...ENTRA, 'client_secrte: abc'], 'client_secrte', 4, /did you mean client_secret/],
    ['another type', [...ENTRA, 'type: oauth2'], 'type', 4, /leave it out/],
    ['no client_id', ['preset: google'], 'client_id', 0, /client_id/],
    [
      'a resource at Entra',
      [...ENTRA, 'authorization_parameters: { resource: x }'],
      'authorization_parameters.resource',
      4,
      /remove it/,
    ],
    [
      'a parameter that is ours',
      [...ENTRA, 'authorization_parameters: { state: x }'],
      'authorization_parameters.state',
      4,
      /gateway sets it/,
    ],
    ['extra_scopes without a list', [...ENTRA, 'extra_scopes: repo'], 'extra_scopes', 4, /list/],
    ['a generic one without issuer', ['preset: generic-oidc', 'client_id: x'], 'issuer', 0, /issuer: https/],
  ])('with %s is refused', (_what, lines, path, line, fix) => {
    expect(problemOf(corp(...lines))).toMatchObject({
      path: `providers.corp.${path}`,
      line: CORP_LINE + line,
      fix: expect.stringMatching(fix),
    })
  })

  it('may let every tenant in when the claim says which ones (U-11)', () => {
    const lines = ['preset: entra', 'tenant: organizations', 'client_id: x', 'require_claims: { tid: [a, b] }']
    expect(providerOf(...lines).requiredClaims).toEqual({ tid: ['a', 'b'] })
  })

  it('says the name of a variable that is missing, and nothing else', () => {
    const found = problemsOf(corp('preset: entra', `tenant: \${env:TENANT}`, 'client_id: x'))
    expect(found.map(({ problem }) => problem)).toEqual([expect.stringMatching(/TENANT, which is not set/)])
  })

  it('leaves a file without presets as it is', () => {
    expect(configOf(BASE).providers.map(({ name }) => name)).toEqual(['corp', 'home'])
  })
})

describe('type: oauth2', () => {
  it('is the preset generic-oauth2 by another name', () => {
    const [, ...rest] = OAUTH2
    expect(providerOf('preset: generic-oauth2', ...rest)).toEqual(providerOf(...OAUTH2))
  })

  it('does what RFC 6749 says unless told otherwise', () => {
    expect(providerOf(...OAUTH2)).toMatchObject({
      pkce: true,
      scopeSeparator: ' ',
      scopeParameter: 'scope',
      clientAuthentication: 'client_secret_post',
      tokenRequest: { format: 'form', headers: {} },
      tokenAnswer: { tokenTypes: ['bearer'], formEncoded: false, deadCodes: [], passingCodes: [] },
      refresh: { issued: 'sometimes', rotates: 'sometimes', graceMs: 0 },
      requiredClaims: {},
    })
  })

  it('reads where its answers hold what is wanted (U-06)', () => {
    const identity = 'email: user.mail, email_verified: user.sure, groups: "user.teams[].slug"'
    const told = OAUTH2.map((line) => line.replace('[user.id]', `[user.id], ${identity}`))
    const answer = 'token_answer: { member: authed_user, refresh_member: renewal, token_types: [user] }'
    expect(providerOf(...told, answer)).toMatchObject({
      tokenAnswer: { member: 'authed_user', refreshMember: 'renewal', tokenTypes: ['user'] },
      identity: { email: 'user.mail', emailVerified: 'user.sure', groups: 'user.teams[].slug' },
    })
    const plain = providerOf(...OAUTH2)
    for (const key of ['tokenAnswer.member', 'tokenAnswer.refreshMember', 'identity.email', 'identity.groups'])
      expect(plain).not.toHaveProperty(key)
  })

  it.each([
    [
      'an http token endpoint (U-12)',
      'https://tracker.example.com/oauth/token',
      'http://tracker.example.com/t',
      'token_endpoint',
    ],
    [
      'an http identity request (U-12)',
      'https://tracker.example.com/me',
      'http://tracker.example.com/me',
      'identity.requests.user.url',
    ],
    ['a path without a document', 'user.id', 'id', 'identity.subject[0]'],
    ['a path to an answer nobody asks for', 'user.id', 'profile.id', 'identity.subject[0]'],
    ['a path that is an expression', 'user.id', '"user[?(@.x)].id"', 'identity.subject[0]'],
    ['no subject', '[user.id]', '[]', 'identity.subject'],
    ['an address of unknown value (U-11)', '[user.id]', '[user.id], email: user.email', 'identity.email'],
    ['an unknown key', '[user.id]', '[user.id], surname: user.x', 'identity.surname'],
    ['an answer named token', '{ user: {', '{ token: {', 'identity.requests.token'],
    [
      'a grace without refresh',
      'client_id: gatehouse',
      'client_id: gatehouse\n    refresh: { grace: 2h }',
      'refresh.grace',
    ],
    ['a word for pkce', 'client_id: gatehouse', 'client_id: gatehouse\n    pkce: maybe', 'pkce'],
  ])('refuses %s', (_what, from, to, path) => {
    const text = corp(...OAUTH2)
    if (!text.includes(from)) throw new Error(`nothing to replace: ${from}`)
    expect(problemsOf(text.replace(from, to)).map((problem) => problem.path)).toContain(`providers.corp.${path}`)
  })
})

describe('the package', () => {
  it('carries the presets', () => {
    const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
    expect(manifest.files).toContain('config')
  })
})
