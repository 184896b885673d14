import fc from 'fast-check'
import { expect, it } from 'vitest'
import { displayName } from '../../src/domain/client.ts'

it.each([
  ['an ordinary name', 'Visual Studio Code', 'Visual Studio Code'],
  ['letters of other scripts', 'Ünïcode 日本語 שלום', 'Ünïcode 日本語 שלום'],
  ['an emoji', 'Cat 🐈 client', 'Cat 🐈 client'],
  ['a right-to-left override', 'evil\u202eexe.client', 'evil exe.client'],
  ['isolates and marks', '\u2066a\u2069\u200e\u200f\u061cb', 'a b'],
  ['zero-width characters', 'Cl\u200bau\u200cde\u200d\ufeff', 'Cl au de'],
  ['line breaks of all kinds', 'a\nb\r\nc\u2028d\u2029e\u0085f', 'a b c d e f'],
  ['escape sequences', '\u001b[31mred\u0007', '[31mred'],
  ['tag characters', 'a\u{e0041}\u{e0042}', 'a'],
  ['private-use and unassigned characters', 'a\ue000\u0378b', 'a b'],
  ['a lone surrogate', 'a\ud800b', 'a\ufffdb'],
  ['spaces around and between', '  a \t\u00a0 b  ', 'a b'],
  ['nothing visible', '\u200b\u202e \n', ''],
])('shows %s as one visible line (R-15, B028)', (_, name, shown) => expect(displayName(name)).toBe(shown))

it('shows at most 100 characters and never half a character (R-15)', () => {
  expect(displayName('a'.repeat(101))).toBe('a'.repeat(100))
  expect(displayName('🐈'.repeat(101))).toBe('🐈'.repeat(100))
})

it('leaves nothing invisible or disordering in any name, and does so once and for all (R-15)', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.string()), (name) => {
      const shown = displayName(name)
      expect(shown).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
      expect(shown.isWellFormed()).toBe(true)
      expect(shown.trim()).toBe(shown)
      expect([...shown].length).toBeLessThanOrEqual(100)
      expect(displayName(shown)).toBe(shown)
    }),
    { numRuns: 1000 },
  )
})
