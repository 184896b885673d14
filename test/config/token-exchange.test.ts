import { describe, expect, it } from 'vitest'
import { configOf, edit, problemOf, problemsOf } from './base.ts'

const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token'
const JWT = 'urn:ietf:params:oauth:token-type:jwt'
const PLAIN = `credential:
      kind: provider-token
      provider: corp`
const wiki = (credential: string, ...more: [string, string][]) => edit([PLAIN, `credential: ${credential}`], ...more)
/** The provider of the base file, as one that knows the on-behalf-of flow. */
const ENTRA: [string, string] = [
  'scopes: [openid, email]',
  'scopes: [openid, email]\n    token_exchange: { style: on-behalf-of }',
]
const credentialOf = (text: string) => configOf(text).routes.find(({ path }) => path === '/wiki')?.credential

describe('credential.kind: token-exchange (RFC 8693 §2.1)', () => {
  it('takes one audience, and asks the sign-in provider with an access token', () => {
    expect(credentialOf(wiki('{ kind: token-exchange, audience: wiki }'))).toEqual({
      kind: 'token-exchange',
      provider: 'corp',
      request: { audiences: ['wiki'], resources: [], scopes: [], subjectTokenType: ACCESS_TOKEN },
    })
  })

  it('has clients registered for it at its provider, where they are registered (RFC 7591 §2)', () => {
    const mirrored: [string, string] = [
      'scopes: [openid, email]',
      'scopes: [openid, email]\n    upstream_clients: { mode: mirrored }',
    ]
    const registrationOf = (text: string) =>
      configOf(text).providers.map((one) => 'registration' in one && one.registration)
    expect(registrationOf(wiki('{ kind: token-exchange, audience: wiki }', mirrored))).toContainEqual({
      exchanges: true,
    })
    expect(registrationOf(edit(mirrored))).toContainEqual({ exchanges: false })
  })

  it('takes lists, types of tokens and another provider', () => {
    const text = wiki(
      `{ kind: token-exchange, provider: second, audience: [wiki, search], resource: ["https://wiki.internal/"], scope: [read, write], requested_token_type: "${JWT}", subject_token_type: "${JWT}" }`,
      ['  home:\n', '  second:\n    type: oidc\n    issuer: https://second.example\n    client_id: x\n  home:\n'],
    )
    expect(credentialOf(text)).toEqual({
      kind: 'token-exchange',
      provider: 'second',
      request: {
        audiences: ['wiki', 'search'],
        resources: ['https://wiki.internal/'],
        scopes: ['read', 'write'],
        requestedTokenType: JWT,
        subjectTokenType: JWT,
      },
    })
  })

  it('sends the new token as Bearer unless told otherwise', () => {
    const route = configOf(wiki('{ kind: token-exchange, audience: wiki }')).routes.find(({ path }) => path === '/wiki')
    expect(route?.inject.map(({ name }) => name)).toEqual(['authorization'])
  })

  it('is good with scopes alone where the provider knows on-behalf-of', () => {
    expect(credentialOf(wiki('{ kind: token-exchange, scope: "api://wiki/.default" }', ENTRA))).toMatchObject({
      request: { scopes: ['api://wiki/.default'], audiences: [] },
    })
  })

  it.each([
    ['no target at all', '{ kind: token-exchange }', ''],
    ['an empty list', '{ kind: token-exchange, audience: [] }', '.audience'],
    ['an audience of two lines', '{ kind: token-exchange, audience: "a\\nb" }', '.audience'],
    ['one bad entry of a list', '{ kind: token-exchange, audience: [wiki, "a b"] }', '.audience[1]'],
    ['a number', '{ kind: token-exchange, audience: 7 }', '.audience'],
    ['a resource with a fragment', '{ kind: token-exchange, resource: "https://wiki.internal/#x" }', '.resource'],
    ['a resource that is no URI', '{ kind: token-exchange, resource: wiki }', '.resource'],
    ['two scopes in one', '{ kind: token-exchange, scope: "read write" }', '.scope'],
    [
      'a refresh token as what the server gets',
      '{ kind: token-exchange, audience: wiki, requested_token_type: "urn:ietf:params:oauth:token-type:refresh_token" }',
      '.requested_token_type',
    ],
    [
      'an id_token, which is not kept, as what is offered',
      '{ kind: token-exchange, audience: wiki, subject_token_type: "urn:ietf:params:oauth:token-type:id_token" }',
      '.subject_token_type',
    ],
    ['a provider that does not exist', '{ kind: token-exchange, audience: wiki, provider: nobody }', '.provider'],
    ['a provider without tokens', '{ kind: token-exchange, audience: wiki, provider: home }', '.kind'],
    ['an unknown key', '{ kind: token-exchange, audience: wiki, audiences: [x] }', '.audiences'],
  ])('refuses %s (X-13)', (_what, credential, path) => {
    const problem = problemOf(wiki(credential))
    expect(problem.path).toBe(`routes./wiki.credential${path}`)
    expect(problem.fix).not.toBe('')
  })

  it('refuses what on-behalf-of does not know, and a request without scope', () => {
    const audience = problemsOf(wiki('{ kind: token-exchange, audience: wiki, resource: "https://a.example" }', ENTRA))
    expect(audience.map(({ path }) => path).sort()).toEqual([
      'routes./wiki.credential',
      'routes./wiki.credential.audience',
      'routes./wiki.credential.resource',
    ])
  })

  it('refuses a provider that exchanges no tokens', () => {
    const none: [string, string] = [ENTRA[0], ENTRA[1].replace('on-behalf-of', 'none')]
    expect(problemOf(wiki('{ kind: token-exchange, audience: wiki }', none))).toMatchObject({
      path: 'routes./wiki.credential.kind',
      problem: 'asks a provider that exchanges no tokens',
    })
    expect(configOf(edit(none)).providers[0]).toMatchObject({ tokenExchange: 'none' })
  })
})

describe('credential.kind: static', () => {
  const github = (more: string) => edit(['value: shared-pat', `value: shared-pat${more}`])

  it('may say on the consent page whose account it is (U-15)', () => {
    const { routes } = configOf(github('\n      notice: Everything is done as release-bot.'))
    expect(routes[0]?.credential).toMatchObject({ kind: 'static', notice: 'Everything is done as release-bot.' })
    expect(configOf(edit()).routes[0]?.credential).not.toHaveProperty('notice')
  })

  it('refuses a notice that cannot be shown (X-13)', () => {
    expect(problemOf(github('\n      notice: ""')).path).toBe('routes./github.credential.notice')
  })
})
