import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { renderProviderDocs } from '../../scripts/provider-docs.ts'
import { presetNames } from '../../src/config/presets.ts'

describe('docs/providers.md', () => {
  const text = readFileSync(new URL('../../docs/providers.md', import.meta.url), 'utf8')

  it('is what `npm run docs:providers` writes today', () => {
    expect(text).toBe(renderProviderDocs())
  })

  it('has a row and a section for every preset', () => {
    for (const name of presetNames()) {
      expect(text).toContain(`| [${name}](#${name}) |`)
      expect(text).toContain(`\n## ${name}\n\n- **Register**: `)
    }
  })
})
