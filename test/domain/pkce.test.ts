import { createHash } from 'node:crypto'
import { expect, it } from 'vitest'
import { isS256Challenge, verifiesS256 } from '../../src/domain/pkce.ts'

const VERIFIER = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk'
const CHALLENGE = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'

it('verifies the example of RFC 7636 Appendix B', () => {
  expect(isS256Challenge(CHALLENGE)).toBe(true)
  expect(verifiesS256(VERIFIER, CHALLENGE)).toBe(true)
})

it.each([
  ['empty', ''],
  ['42 characters', CHALLENGE.slice(1)],
  ['44 characters', `${CHALLENGE}A`],
  ['129 characters', 'A'.repeat(129)],
  ['padded', `${CHALLENGE}=`],
  ['padded within 43 characters', `${CHALLENGE.slice(1)}=`],
  ['plain base64', `${CHALLENGE.slice(0, -2)}+/`],
  ['not ASCII', `${CHALLENGE.slice(1)}é`],
  ['followed by a line break', `${CHALLENGE}\n`],
  ['the hash of nothing (B080)', createHash('sha256').update('').digest('base64url')],
])('refuses a challenge that is %s (B079)', (_, challenge) => expect(isS256Challenge(challenge)).toBe(false))

it.each([
  ['absent in effect', ''],
  ['one character off', `e${VERIFIER.slice(1)}`],
  ['in another case', VERIFIER.toUpperCase()],
  ['followed by =', `${VERIFIER}=`],
  ['followed by a line break', `${VERIFIER}\n`],
  ['followed by a space', `${VERIFIER} `],
  ['followed by NUL', `${VERIFIER}\0`],
  ['the challenge itself (B083)', CHALLENGE],
])('refuses a verifier that is %s (B082)', (_, verifier) => expect(verifiesS256(verifier, CHALLENGE)).toBe(false))

it.each([
  [42, false],
  [43, true],
  [128, true],
  [129, false],
])('judges a verifier of %i characters by RFC 7636 §4.1: %s (B082)', (length, good) => {
  const verifier = 'v'.repeat(length)
  expect(verifiesS256(verifier, createHash('sha256').update(verifier).digest('base64url'))).toBe(good)
})

it('refuses characters outside RFC 7636 §4.1 even when the hash fits (B082)', () => {
  for (const character of ['+', '/', '=', ' ', 'é', '\u212a']) {
    const verifier = character + 'v'.repeat(60)
    expect(verifiesS256(verifier, createHash('sha256').update(verifier, 'ascii').digest('base64url'))).toBe(false)
  }
})
