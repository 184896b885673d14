import { expect, it } from 'vitest'
import { edit, load } from './base.ts'

const HUB = '  hub: { preset: github, client_id: Iv1.abc, client_secret: hub-client-secret }\n'
const ONCE = `  once:
    type: oidc
    issuer: https://once.example.com
    client_id: gatehouse
    client_secret: once-client-secret
    refresh: { issued: never, rotates: never }
`

/** The warnings about a route whose users sign in at `provider`, and are on a list unless `everybody` may come in. */
function warningsOf(provider: string, { everybody = false } = {}): readonly string[] {
  const loaded = load(
    edit(
      ['providers:\n', `providers:\n${HUB}${ONCE}`],
      ['    sign_in: corp\n    allow:', `    sign_in: ${provider}\n    allow:`],
      ['    sign_in: corp\n    credential:\n      kind: provider-token\n      provider: corp', '    sign_in: hub'],
      ...(everybody ? [['    allow:\n      email_domains: [example.com]\n', ''] as const] : []),
    ),
  )
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems))
  return loaded.config.warnings.filter((warning) => warning.includes('/github'))
}

it('says that a list is asked at sign-in alone where the provider gives no refresh tokens (U-09, U-11)', () => {
  expect(warningsOf('once')).toEqual([
    'routes./github.allow is asked at sign-in alone, because providers.once gives no refresh tokens → shorten tokens.refresh_ttl, or sign in elsewhere',
  ])
})

it('says nothing where users are asked about again, or where everybody may come in', () => {
  expect(warningsOf('corp')).toEqual([])
  expect(warningsOf('once', { everybody: true })).toEqual([])
  expect(warningsOf('hub')).toEqual([])
})
