import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { renderJsonSchema } from '../../src/config/json-schema.ts'
import { configOf, HASH, KEY, problemsOf } from './base.ts'

const EXAMPLE = readFileSync(new URL('../../gateway.yaml.example', import.meta.url), 'utf8')
const ENV = {
  GATEHOUSE_KEY: KEY,
  CORP_CLIENT_SECRET: 'corp-client-secret',
  CORP_CLAUDE_SECRET: 'corp-claude-secret',
  CORP_INSPECTOR_SECRET: 'corp-inspector-secret',
  GITHUB_CLIENT_SECRET: 'github-client-secret',
  PARTNERS_CLIENT_SECRET: 'partners-client-secret',
  PARTNERS_REGISTRATION_TOKEN: 'partners-registration-token',
  TRACKER_CLIENT_SECRET: 'tracker-client-secret',
  ALICE_PASSWORD_HASH: HASH,
  GITHUB_PAT: 'github-pat',
  BUILD_BOT_SECRET: 'build-bot-secret-of-32-characters',
}

describe('README.md', () => {
  it('shows a gateway.yaml that passes check-config without a warning', () => {
    const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
    const block = /```yaml\n([\s\S]*?)```/.exec(readme)?.[1] ?? ''
    const config = configOf(block, ENV)
    expect(config.warnings).toEqual([])
    expect(config.routes.map(({ credential }) => credential.kind)).toEqual(['user-pat'])
  })
})

describe('gateway.yaml.example', () => {
  it('passes check-config with the variables it names, without a warning', () => {
    const config = configOf(EXAMPLE, ENV)
    expect(config.warnings).toEqual([])
    const kinds = new Set(config.routes.map(({ credential }) => credential.kind))
    expect([...kinds]).toEqual(expect.arrayContaining(['static', 'user-pat', 'provider-token', 'none']))
    expect(config.providers.map(({ type }) => type)).toEqual(['oidc', 'oauth2', 'oidc', 'oauth2', 'password'])
  })

  it('says which variables it needs', () => {
    const named = problemsOf(EXAMPLE).map(({ problem }) => /variable (\w+)/.exec(problem)?.[1])
    expect(named.sort()).toEqual(Object.keys(ENV).sort())
  })

  it('shows every key that there is', () => {
    const keys = new Set<string>()
    JSON.parse(renderJsonSchema(), (_key, value) => {
      if (value && typeof value === 'object' && value.type === 'object' && value.properties)
        for (const name of Object.keys(value.properties)) keys.add(name)
      return value
    })
    keys.delete('allow_hosts')
    expect([...keys].filter((key) => !new RegExp(`\\b${key}:`).test(EXAMPLE))).toEqual([])
  })
})

describe('config/gateway.schema.json', () => {
  it('is what `npm run schema` writes today', () => {
    expect(readFileSync(new URL('../../config/gateway.schema.json', import.meta.url), 'utf8')).toBe(renderJsonSchema())
  })

  it('describes every key and refuses unknown ones', () => {
    const undescribed: string[] = []
    JSON.parse(renderJsonSchema(), (_key, value) => {
      if (!value || typeof value !== 'object' || !value.properties) return value
      expect(value.additionalProperties).toBe(false)
      for (const [name, property] of Object.entries<{ description?: string }>(value.properties))
        if (!property.description) undescribed.push(name)
      return value
    })
    expect(undescribed).toEqual([])
  })
})
