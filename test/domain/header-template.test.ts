import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type HeaderTemplate, parseHeaderTemplate, renderHeader } from '../../src/domain/header-template.ts'

function template(text: string): HeaderTemplate {
  const parsed = parseHeaderTemplate(text)
  if (!parsed.ok) throw new Error(parsed.failure)
  return parsed.value
}

describe('templates for injected headers', () => {
  it.each([
    ['Bearer {credential}', 'Bearer pat-1'],
    ['{user.sub}', 'alice'],
    ['{user.email};role=x', 'alice@example.com;role=x'],
    ['{credential}{user.sub}{credential}', 'pat-1alicepat-1'],
    ['constant', 'constant'],
  ])('renders %s', (text, value) => {
    const values = { credential: 'pat-1', 'user.sub': 'alice', 'user.email': 'alice@example.com' }
    expect(renderHeader(template(text), values)).toBe(value)
  })

  it('says which values it needs', () => {
    expect([...template('{user.email} {credential}').needs].toSorted()).toEqual(['credential', 'user.email'])
    expect(template('constant').needs.size).toBe(0)
  })

  it.each([
    '{password}',
    '{user}',
    '{}',
    '{ credential }',
    '{credential',
    'credential}',
    '{{credential}}',
    '}{',
    'a\nb',
    'é',
    'a\0',
  ])('refuses %j', (text) => expect(parseHeaderTemplate(text).ok).toBe(false))

  it('renders nothing when a value is missing or empty: a header is never sent half-filled (B191)', () => {
    expect(renderHeader(template('Bearer {credential}'), {})).toBeUndefined()
    expect(renderHeader(template('Bearer {credential}'), { credential: '' })).toBeUndefined()
    expect(renderHeader(template('{user.sub}'), { credential: 'pat-1' })).toBeUndefined()
  })

  it.each(['a\r\nX-Admin: 1', 'a\nb', 'a\0b', 'é', '\u{1f408}', 'a\u2028b', '\x7f'])(
    'renders nothing from the value %j, which cannot be one header line (B131, B194)',
    (value) => expect(renderHeader(template('Bearer {credential}'), { credential: value })).toBeUndefined(),
  )

  it('does not expand what a value holds', () => {
    expect(renderHeader(template('{user.sub}'), { 'user.sub': '{credential}', credential: 'pat-1' })).toBe(
      '{credential}',
    )
  })

  it('renders one line or nothing, for all values', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => {
        const rendered = renderHeader(template('Bearer {credential}'), { credential: value })
        if (rendered === undefined) return
        expect(rendered).toBe(`Bearer ${value}`)
        expect(() => new Headers({ authorization: rendered })).not.toThrow()
      }),
    )
  })
})
