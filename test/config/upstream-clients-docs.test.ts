import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { KEY, load } from './base.ts'

const DOCUMENT = readFileSync(new URL('../../docs/upstream-clients.md', import.meta.url), 'utf8')
const EXAMPLES = [...DOCUMENT.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)].map(([, block = '']) => block)
const ENV = {
  CORP_CLIENT_SECRET: 'corp-client-secret',
  CORP_CLAUDE_SECRET: 'corp-claude-secret',
  CORP_INSPECTOR_SECRET: 'corp-inspector-secret',
  PARTNERS_CLIENT_SECRET: 'partners-client-secret',
  PARTNERS_REGISTRATION_TOKEN: 'partners-registration-token',
}

/** An example with what a whole file needs besides. */
function whole(example: string, provider: string): string {
  return `public_url: https://mcp.example.com
encryption_keys: [${KEY}]
${example}
routes:
  /notes: { upstream: "http://127.0.0.1:8083/mcp", sign_in: ${provider}, credential: { kind: provider-token } }
`
}

describe('docs/upstream-clients.md', () => {
  it.each([
    ['mapped', 'corp'],
    ['mirrored', 'partners'],
  ])('shows an example of mode %s that passes check-config without a warning', (mode, provider) => {
    const example = EXAMPLES.find((block) => block.includes(`mode: ${mode}`)) ?? ''
    const loaded = load(whole(example, provider), ENV)
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems))
    expect(loaded.config.warnings).toEqual([])
    expect(loaded.config.providers).toEqual([
      expect.objectContaining({ upstreamClients: expect.objectContaining({ mode }) }),
    ])
    expect(load(whole(example.replace('mode:', 'modes:'), provider), ENV).ok).toBe(false)
  })
})
