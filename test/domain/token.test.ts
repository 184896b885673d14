import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  hashToken,
  isId,
  looksLikeToken,
  mintToken,
  newId,
  refreshToken,
  verifyRefreshToken,
} from '../../src/domain/token.ts'

const KEY = randomBytes(32)
const OLD_KEY = randomBytes(32)
const claim = { grantId: newId(), generation: 7 }
const token = refreshToken(KEY, claim).reveal()

describe('refresh tokens are a MAC over grant and generation (T-11, B160)', () => {
  it('gives grant id and generation back, for all of them', () => {
    const claims = fc.record({
      grantId: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString('base64url')),
      generation: fc.integer({ min: 0, max: 0xffffffff }),
    })
    fc.assert(
      fc.property(claims, (one) => {
        expect(verifyRefreshToken([KEY], refreshToken(KEY, one).reveal())).toEqual(one)
      }),
    )
  })

  it('refuses it with any one bit flipped', () => {
    const bytes = Buffer.from(token.slice('mgh_rt_'.length), 'base64url')
    for (let bit = 0; bit < bytes.length * 8; bit += 1) {
      const flipped = Buffer.from(bytes)
      flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
      expect(verifyRefreshToken([KEY], `mgh_rt_${flipped.toString('base64url')}`)).toBeUndefined()
    }
  })

  it('refuses every change of a single character, those that decode to the same bytes included (B178)', () => {
    for (let index = 0; index < token.length; index += 1) {
      for (const character of ['A', 'z', '-', '_', '+', '/', '=', ' ', '.', '\u0391', '\0']) {
        if (token[index] === character) continue
        const changed = token.slice(0, index) + character + token.slice(index + 1)
        expect(verifyRefreshToken([KEY], changed)).toBeUndefined()
      }
    }
  })

  it.each([
    ['nothing', ''],
    ['the prefix alone', 'mgh_rt_'],
    ['padding', `${token}=`],
    ['a trailing space', `${token} `],
    ['a trailing line break', `${token}\n`],
    ['a leading space', ` ${token}`],
    ['one character less', token.slice(0, -1)],
    ['one character more', `${token}A`],
    ['another prefix', token.replace('mgh_rt_', 'mgh_at_')],
    ['a prefix in upper case', token.replace('mgh_rt_', 'MGH_RT_')],
    ['no prefix', token.slice('mgh_rt_'.length)],
    ['64 KB', `mgh_rt_${'A'.repeat(65_536)}`],
  ])('refuses %s (B178)', (_, changed) => {
    expect(verifyRefreshToken([KEY], token)).toEqual(claim)
    expect(verifyRefreshToken([KEY], changed)).toBeUndefined()
  })

  it('opens under every configured key and under no other (X-20)', () => {
    const old = refreshToken(OLD_KEY, claim).reveal()
    expect(verifyRefreshToken([KEY, OLD_KEY], old)).toEqual(claim)
    expect(verifyRefreshToken([KEY], old)).toBeUndefined()
    expect(verifyRefreshToken([], token)).toBeUndefined()
  })

  it('is derived: the same successor comes out every time (T-12)', () => {
    expect(refreshToken(KEY, claim).reveal()).toBe(token)
    expect(refreshToken(KEY, { ...claim, generation: 8 }).reveal()).not.toBe(token)
  })
})

describe('access tokens and codes are 256 random bits (K-04, A-15)', () => {
  it.each(['access', 'code'] as const)('mints %s tokens that are recognised by form alone', (kind) => {
    const minted = mintToken(kind)
    const text = minted.token.reveal()
    expect(text).toMatch(kind === 'access' ? /^mgh_at_[A-Za-z0-9_-]{43}$/ : /^mgh_ac_[A-Za-z0-9_-]{43}$/)
    expect(looksLikeToken(kind, text)).toBe(true)
    expect(looksLikeToken(kind === 'access' ? 'code' : 'access', text)).toBe(false)
    expect(minted.hash).toBe(hashToken(text))
    for (const changed of [`${text}=`, `${text} `, text.slice(0, -1), `${text}A`, text.toUpperCase(), ` ${text}`])
      expect(looksLikeToken(kind, changed)).toBe(false)
  })

  it('repeats no 12 leading characters in 10 000 codes (B098)', () => {
    const seen = new Set(Array.from({ length: 10_000 }, () => mintToken('code').token.reveal().slice(7, 19)))
    expect(seen.size).toBe(10_000)
  })

  it('never prints (P-24)', () => {
    const { token: secret } = mintToken('access')
    expect(`${secret} ${JSON.stringify({ secret })} ${String(secret)}`).toBe('[secret] {"secret":"[secret]"} [secret]')
  })

  it('knows its own ids', () => {
    expect(isId(newId())).toBe(true)
    for (const other of ['', newId().slice(1), `${newId()}A`, '../../etc/passwd.......', `${newId().slice(1)}\n`])
      expect(isId(other)).toBe(false)
  })
})
