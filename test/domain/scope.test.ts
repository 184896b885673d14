import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { grantScopes, narrowScopes } from '../../src/domain/scope.ts'

const OFFERED = ['mcp', 'notes:read', 'notes:write']

describe('what a request gets (RFC 6749 §3.3, A-13)', () => {
  it.each([
    [undefined, OFFERED],
    ['', OFFERED],
    ['  ', OFFERED],
    ['openid profile email offline_access', OFFERED],
    ['notes:read', ['notes:read']],
    ['notes:write  mcp mcp', ['mcp', 'notes:write']],
    ['notes:read admin openid', ['notes:read']],
  ])('grants %j as %j', (requested, granted) => {
    expect(grantScopes(requested, OFFERED)).toEqual({ ok: true, value: granted })
  })

  it.each([
    'admin',
    'Mcp',
    'mcp:*',
    '*',
    'mcp,notes:read',
    'notes',
    'mcp\u00a0',
    'mcp"',
    'mc\\p',
    'mcp\tnotes:read',
    'mćp',
  ])('answers %j with invalid_scope', (requested) =>
    expect(grantScopes(requested, OFFERED)).toMatchObject({ failure: { error: 'invalid_scope' } }),
  )
})

describe('what a refresh gets (RFC 6749 §6, T-10, B161)', () => {
  it.each([
    [undefined, ['mcp', 'notes:read']],
    ['offline_access', ['mcp', 'notes:read']],
    ['mcp', ['mcp']],
    ['notes:read openid', ['notes:read']],
  ])('grants %j as %j', (requested, granted) => {
    expect(narrowScopes(requested, ['mcp', 'notes:read'])).toEqual({ ok: true, value: granted })
  })

  it.each(['notes:write', 'mcp notes:write', 'MCP', 'admin'])('refuses %j', (requested) =>
    expect(narrowScopes(requested, ['mcp', 'notes:read'])).toMatchObject({ failure: { error: 'invalid_scope' } }),
  )
})

it('never grants what is not offered, whatever is asked for (RFC 6749 §3.3)', () => {
  const asked = fc
    .array(fc.oneof(fc.constantFrom(...OFFERED, 'openid', 'admin'), fc.string()))
    .map((list) => list.join(' '))
  fc.assert(
    fc.property(asked, fc.subarray(OFFERED, { minLength: 1 }), (requested, offered) => {
      for (const rule of [grantScopes, narrowScopes]) {
        const granted = rule(requested, offered)
        if (!granted.ok) continue
        expect(granted.value.length).toBeGreaterThan(0)
        for (const scope of granted.value) expect(offered).toContain(scope)
      }
    }),
  )
})
