import { describe, expect, it } from 'vitest'
import { hashPassword, parsePasswordHash, verifyPassword } from '../../src/domain/password-hash.ts'
import { Secret } from '../../src/domain/secret.ts'

const SALT = 'A'.repeat(22)
const HASH = 'B'.repeat(43)

describe('password hashes (RFC 7914)', () => {
  it('verifies the password that was hashed, and no other', async () => {
    const hash = await hashPassword('correct horse')
    expect(hash).toMatch(/^scrypt\$ln=17,r=8,p=1\$[A-Za-z0-9_-]{22}\$[A-Za-z0-9_-]{43}$/)
    expect(await verifyPassword(new Secret('correct horse'), hash)).toBe(true)
    expect(await verifyPassword(new Secret('correct horsf'), hash)).toBe(false)
    expect(await verifyPassword(new Secret(''), hash)).toBe(false)
  })

  it('salts: the same password never gives the same hash', async () => {
    expect(await hashPassword('twice')).not.toBe(await hashPassword('twice'))
  })

  it('understands a composed and a decomposed é as the same letter (RFC 8265 §4.2.1)', async () => {
    const hash = await hashPassword('caf\u00e9')
    expect(await verifyPassword(new Secret('cafe\u0301'), hash)).toBe(true)
  })

  it('takes 1024 characters and refuses 1025 and none', async () => {
    const longest = 'x'.repeat(1024)
    expect(await verifyPassword(new Secret(longest), await hashPassword(longest))).toBe(true)
    await expect(hashPassword(`${longest}x`)).rejects.toThrow(RangeError)
    await expect(hashPassword('')).rejects.toThrow(RangeError)
  })

  it('parses costs up to 256 MiB and refuses what would need more memory or time', () => {
    expect(parsePasswordHash(`scrypt$ln=14,r=8,p=1$${SALT}$${HASH}`)).toMatchObject({ logN: 14, r: 8, p: 1 })
    expect(parsePasswordHash(`scrypt$ln=17,r=8,p=4$${SALT}$${HASH}`)).toBeDefined()
    for (const cost of ['ln=18,r=16,p=1', 'ln=19,r=8,p=1', 'ln=20,r=8,p=1', 'ln=99,r=8,p=1', 'ln=17,r=8,p=99'])
      expect(parsePasswordHash(`scrypt$${cost}$${SALT}$${HASH}`), cost).toBeUndefined()
  })

  it('refuses hashes that are too cheap to protect a password', () => {
    for (const cost of ['ln=1,r=8,p=1', 'ln=13,r=8,p=1', 'ln=17,r=0,p=1', 'ln=17,r=8,p=0'])
      expect(parsePasswordHash(`scrypt$${cost}$${SALT}$${HASH}`), cost).toBeUndefined()
  })

  it('refuses everything that is no scrypt hash, and never verifies against it', async () => {
    const text = `scrypt$ln=17,r=8,p=1$${SALT}$${HASH}`
    for (const broken of ['', 'hunter2', '$2b$10$abcdefghijklmnopqrstuv', `${text} `, text.slice(0, -1), ` ${text}`]) {
      expect(parsePasswordHash(broken)).toBeUndefined()
      expect(await verifyPassword(new Secret('hunter2'), broken)).toBe(false)
    }
  })
})
