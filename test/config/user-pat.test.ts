import { describe, expect, it } from 'vitest'
import { configOf, edit, problemOf } from './base.ts'

const route = (credential: string) => edit(['{ kind: none }\n    inject:\n      X-User: "{user.sub}"', credential])
const FULL = `
      kind: user-pat
      label: GitHub personal access token
      create_url: https://github.com/settings/tokens
      help: It needs the scope repo.
      probe:
        url: https://api.github.com/user
        headers: { Authorization: "token {credential}" }
        account: login
        scopes: header:x-oauth-scopes
        expires: header:github-authentication-token-expiration`

describe('credential.kind: user-pat', () => {
  it('takes a label, where to create one, and how to try it (DESIGN 1.2)', () => {
    const notes = configOf(route(FULL)).routes.find((candidate) => candidate.path === '/notes')
    expect(notes?.credential).toMatchObject({
      kind: 'user-pat',
      label: 'GitHub personal access token',
      createUrl: 'https://github.com/settings/tokens',
      help: 'It needs the scope repo.',
      probe: {
        url: 'https://api.github.com/user',
        account: 'login',
        scopes: 'header:x-oauth-scopes',
        expires: 'header:github-authentication-token-expiration',
      },
    })
    expect(notes?.inject.map((header) => header.name)).toEqual(['authorization'])
  })

  it('sends the token to the probe as Bearer unless told otherwise', () => {
    const notes = configOf(route('{ kind: user-pat, label: x, probe: { url: "https://api.example/user" } }')).routes.at(
      -1,
    )
    expect(notes?.credential).toMatchObject({ probe: { headers: [{ name: 'authorization' }] } })
  })

  it.each([
    ['no label', '{ kind: user-pat }', 'label'],
    ['a link that is no page', '{ kind: user-pat, label: x, create_url: "javascript:alert(1)" }', 'create_url'],
    ['a link in the clear', '{ kind: user-pat, label: x, create_url: "http://github.example/" }', 'create_url'],
    ['a probe in the clear', '{ kind: user-pat, label: x, probe: { url: "http://api.example/user" } }', 'probe.url'],
    [
      'a path that is none',
      '{ kind: user-pat, label: x, probe: { url: "https://a.example/", account: "$.login" } }',
      'probe.account',
    ],
  ])('refuses %s (X-13)', (_what, credential, path) => {
    expect(problemOf(route(credential)).path).toBe(`routes./notes.credential.${path}`)
  })
})

describe('credential.kind: provider-token', () => {
  it('may name another provider than sign_in: a second step for the user (DESIGN 1.2)', () => {
    const text = edit(
      ['provider: corp', 'provider: linear'],
      [
        '  home:\n    type: password',
        '  linear:\n    type: oidc\n    issuer: https://linear.example\n    client_id: x\n  home:\n    type: password',
      ],
    )
    const wiki = configOf(text).routes.find((candidate) => candidate.path === '/wiki')
    expect(wiki).toMatchObject({ signIn: 'corp', credential: { kind: 'provider-token', provider: 'linear' } })
  })

  it.each([
    ['one that does not exist', 'nobody', 'routes./wiki.credential.provider'],
    ['one that has no tokens', 'home', 'routes./wiki.credential.kind'],
  ])('refuses %s (X-13)', (_what, name, path) => {
    expect(problemOf(edit(['provider: corp', `provider: ${name}`])).path).toBe(path)
  })
})
