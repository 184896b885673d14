import { writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import type { Preset } from '../src/config/preset-schema.ts'
import { findPreset, presetNames } from '../src/config/presets.ts'

/** docs/providers.md, whole; test/providers/docs.test.ts fails when the file is stale. */
export function renderProviderDocs(): string {
  const presets = presetNames().flatMap((name) => {
    const preset = findPreset(name)
    return preset ? [{ name, preset }] : []
  })
  return `${INTRODUCTION}
| Preset | For | Needs | Scopes | Offline access | Groups | Refresh tokens | Given back | Registers clients |
|---|---|---|---|---|---|---|---|---|
${presets.map(({ name, preset }) => row(name, preset)).join('\n')}

${presets.map(({ name, preset }) => section(name, preset)).join('\n')}`
}

const INTRODUCTION = `# Providers

<!-- Written by \`npm run docs:providers\` from config/providers/*.yaml. Do not edit. -->

A provider is where people sign in, and whose tokens MCP servers may get. Register **one** client at each, by hand, with
the redirect URI

    PUBLIC_URL/callback/NAME

where \`PUBLIC_URL\` is \`public_url\` of gateway.yaml and \`NAME\` the key under \`providers\`. Then:

    providers:
      corp:
        preset: entra
        tenant: 11111111-2222-3333-4444-555555555555
        client_id: …
        client_secret: \${env:CORP_CLIENT_SECRET}

Keys of your own win over those of the preset: \`scopes\` replaces its scopes, \`extra_scopes\` adds to them,
\`authorization_parameters\` are merged, and every other key of \`type: oidc\` or \`type: oauth2\` (gateway.yaml.example
shows them all) stands for itself. \`require_claims\` denies everybody without one of the values, such as
\`{ hd: [example.com] }\`. A provider that is not listed needs no code: \`type: oidc\` or \`type: oauth2\` with its facts.

An e-mail address counts only when the provider says that it is verified. "Given back": whether tokens are given back when
a grant ends here (RFC 7009); not where giving one back ends everything that the user has granted to the client, or may do
so: \`revocation_ends: tokens\` says that it does not. "Registers clients": whether \`mode: mirrored\` can work
(docs/upstream-clients.md).

What is said of refresh tokens, revocation, PKCE and exchanges was held against copies of the sources in November 2026; what
those do not say for sure is marked *not verified*, and the careful answer is assumed there.
`

const REGISTRATION = {
  none: 'no',
  initial_access_token: 'with a token of its administrator',
  setting: 'if it is switched on',
  unknown: 'where its metadata name an endpoint',
} as const

function row(name: string, preset: Preset): string {
  const cells = [
    `[${name}](#${name})`,
    preset.title,
    needs(preset),
    code(preset.scopes.identity),
    offline(preset),
    preset.groups,
    refresh(preset),
    revocation(preset),
    REGISTRATION[preset.registration],
  ]
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
}

function section(name: string, { setup, quirks, unverified, sources, keys }: Preset): string {
  const needed = Object.entries(keys).map(([key, { description, example, default: normally }]) => {
    return `\`${key}\`: ${description}, such as \`${example}\`${normally === undefined ? '' : ` (default \`${normally}\`)`}`
  })
  const links = Object.entries(sources).map(([what, url]) => `[${what.replaceAll('_', ' ')}](${url})`)
  const unsure = unverified.map((fact) => `**Not verified**: ${fact}`)
  const lines = [`**Register**: ${setup}`, ...needed, ...quirks, ...unsure, `Sources: ${links.join(', ')}`]
  return `## ${name}\n\n${lines.map((line) => `- ${line}`).join('\n')}\n`
}

/** What an operator has to say besides the client: a question mark for what has a default. */
function needs({ keys, provider, type }: Preset): string {
  const required = type === 'oidc' ? ['issuer'] : ['authorization_endpoint', 'token_endpoint', 'identity']
  const own = Object.entries(keys).map(([key, { default: normally }]) => (normally === undefined ? key : `${key}?`))
  return code([...required.filter((key) => !Object.hasOwn(provider, key)), ...own])
}

function offline({ scopes, provider, type }: Preset): string {
  const parameters = Object.entries((provider.authorization_parameters ?? {}) as Record<string, string>)
  const shown = parameters.filter(([name, value]) => value !== '' && (name === 'access_type' || name === 'prompt'))
  const asked = [...scopes.offline, ...shown.map(([name, value]) => `${name}=${value}`)]
  if (asked.length > 0) return code(asked)
  return type === 'oauth2' && rules(provider).issued === 'never' ? 'none' : 'nothing to ask for'
}

function refresh({ provider }: Preset): string {
  const { issued = 'sometimes', rotates = 'sometimes', grace } = rules(provider)
  if (issued === 'never') return 'never come'
  const words = { always: 'replaced at each use', sometimes: 'replaced if so configured', never: 'stay the same' }
  const come = issued === 'always' ? '' : 'may come; '
  return `${come}${words[rotates]}${grace === undefined ? '' : `, the old one works for ${grace}`}`
}

function rules(provider: Preset['provider']) {
  type Word = 'always' | 'sometimes' | 'never'
  return (provider.refresh ?? {}) as { readonly issued?: Word; readonly rotates?: Word; readonly grace?: string }
}

function revocation({ type, provider }: Preset): string {
  const own = provider.revocation as { readonly ends?: string } | undefined
  if (type === 'oauth2' && !own) return 'no way known'
  const ends = (type === 'oidc' ? provider.revocation_ends : own?.ends) ?? 'account'
  if (ends === 'account') return 'no'
  return type === 'oidc' ? 'yes, where the metadata name an endpoint' : 'yes'
}

function code(words: readonly string[]): string {
  return words.length === 0 ? '–' : words.map((word) => `\`${word}\``).join(', ')
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  writeFileSync(new URL('../docs/providers.md', import.meta.url), renderProviderDocs())
