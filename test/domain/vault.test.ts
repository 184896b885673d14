import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { parseEncryptionKey } from '../../src/domain/encryption-key.ts'
import { Secret } from '../../src/domain/secret.ts'
import { CannotOpen, createVault, type SealContext } from '../../src/vault.ts'

const PLAIN = 'gho_plainTextOfAToken'
const CONTEXT: SealContext = { purpose: 'provider-tokens', owner: ['grant-1', '/github'] }

describe('the vault (U-10)', () => {
  it('opens what it sealed, and the sealed form shows nothing of it', async () => {
    const vault = createVault([newKey()])
    for (const plain of [PLAIN, '', 'ключ 🔑', 'x'.repeat(100_000), '{"__proto__":1}']) {
      const sealed = await vault.seal(plain, CONTEXT)
      expect(await vault.open(sealed, CONTEXT)).toBe(plain)
    }
    const sealed = await vault.seal(PLAIN, CONTEXT)
    expect(sealed).toMatch(/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){3}$/)
    for (const part of sealed.split('.')) {
      const bytes = Buffer.from(part, 'base64url').toString('latin1')
      expect(bytes).not.toContain(PLAIN)
      expect(bytes).not.toContain('grant-1')
    }
  })

  it('never seals the same text to the same value (B283)', async () => {
    const vault = createVault([newKey()])
    const sealed = await Promise.all(Array.from({ length: 500 }, () => vault.seal(PLAIN, CONTEXT)))
    expect(new Set(sealed).size).toBe(500)
    expect(new Set(sealed.map((value) => value.split('.')[1])).size).toBe(500)
  })

  it.each<[string, SealContext]>([
    ['another owner', { ...CONTEXT, owner: ['grant-2', '/github'] }],
    ['another route', { ...CONTEXT, owner: ['grant-1', '/gitlab'] }],
    ['an owner cut differently', { ...CONTEXT, owner: ['grant-1/github'] }],
    ['an owner with less in it', { ...CONTEXT, owner: ['grant-1'] }],
    ['an owner with more in it', { ...CONTEXT, owner: ['grant-1', '/github', ''] }],
    ['no owner', { ...CONTEXT, owner: [] }],
    ['another purpose', { ...CONTEXT, purpose: 'identity' }],
    ['a purpose and owner that join to the same text', { purpose: 'identity', owner: ['provider-tokens', 'grant-1'] }],
  ])('does not open a value that was moved to %s (C43)', async (_, moved) => {
    const vault = createVault([newKey()])
    const sealed = await vault.seal(PLAIN, CONTEXT)
    await expect(vault.open(sealed, moved)).rejects.toThrow(CannotOpen)
    expect(await vault.open(sealed, CONTEXT)).toBe(PLAIN)
  })

  it('does not open a value with any byte of any part flipped (C43)', async () => {
    const vault = createVault([newKey()])
    const sealed = await vault.seal(PLAIN, CONTEXT)
    const parts = sealed.split('.')
    for (const [which, part] of parts.entries()) {
      const { length } = Buffer.from(part, 'base64url')
      for (let at = 0; at < length; at++) {
        const bytes = Buffer.from(part, 'base64url')
        bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at)
        const changed = parts.with(which, bytes.toString('base64url')).join('.')
        await expect(vault.open(changed, CONTEXT)).rejects.toThrow(CannotOpen)
      }
    }
    expect(await vault.open(sealed, CONTEXT)).toBe(PLAIN)
  })

  it('does not open a value with parts missing, exchanged, shortened or made up', async () => {
    const vault = createVault([newKey()])
    const [header, iv, ciphertext, tag] = (await vault.seal(PLAIN, CONTEXT)).split('.')
    const [, , otherCiphertext] = (await vault.seal(PLAIN, CONTEXT)).split('.')
    const none = Buffer.from('{"alg":"none"}').toString('base64url')
    const direct = Buffer.from('{"alg":"dir","enc":"A256GCM"}').toString('base64url')
    const wrong = [
      '',
      'x',
      '....',
      `${header}.${iv}.${ciphertext}`,
      `${header}.${iv}.${otherCiphertext}.${tag}`,
      `${header}.${iv}.${ciphertext}.${tag?.slice(0, 8)}`,
      `${none}.${iv}.${ciphertext}.${tag}`,
      `${direct}.${iv}.${ciphertext}.${tag}`,
    ]
    for (const value of wrong) await expect(vault.open(value, CONTEXT)).rejects.toThrow(CannotOpen)
    expect(await vault.open(`${header}.${iv}.${ciphertext}.${tag}`, CONTEXT)).toBe(PLAIN)
  })
})

describe('keys of the vault (X-20, B286)', () => {
  it('rotate: the first seals, all open, and what a removed key sealed stays shut', async () => {
    const [oldKey, newest] = [newKey(), newKey()]
    const before = createVault([oldKey])
    const during = createVault([newest, oldKey])
    const after = createVault([newest])
    const sealedBefore = await before.seal(PLAIN, CONTEXT)
    const sealedDuring = await during.seal(PLAIN, CONTEXT)
    expect(await during.open(sealedBefore, CONTEXT)).toBe(PLAIN)
    expect(await during.open(sealedDuring, CONTEXT)).toBe(PLAIN)
    expect(await after.open(sealedDuring, CONTEXT)).toBe(PLAIN)
    await expect(after.open(sealedBefore, CONTEXT)).rejects.toThrow(CannotOpen)
    await expect(before.open(sealedDuring, CONTEXT)).rejects.toThrow(CannotOpen)
  })

  it('derive stable keys for each use, the newest first, none of them like another', () => {
    const [oldKey, newest] = [newKey(), newKey()]
    const vault = createVault([newest, oldKey])
    const again = createVault([newest, oldKey])
    expect(vault.refreshMacKeys).toEqual(again.refreshMacKeys)
    expect(vault.browserProofKeys).toEqual(again.browserProofKeys)
    expect(createVault([oldKey]).refreshMacKeys).toEqual(vault.refreshMacKeys.slice(1))
    expect(createVault([oldKey]).browserProofKeys).toEqual(vault.browserProofKeys.slice(1))
    const masters = [oldKey, newest].map((key) => Buffer.from(key.reveal(), 'base64url'))
    const all = [...vault.refreshMacKeys, ...vault.browserProofKeys, ...masters]
    expect(new Set(all.map((key) => Buffer.from(key).toString('hex'))).size).toBe(6)
    for (const key of all) expect(key).toHaveLength(32)
  })

  it('are taken as 32 bytes in hex, base64, base64url and the form that new-key prints', () => {
    const bytes = Buffer.alloc(32, 0xfb)
    const forms = [
      bytes.toString('hex'),
      bytes.toString('hex').toUpperCase(),
      bytes.toString('base64'),
      bytes.toString('base64').replace('=', ''),
      bytes.toString('base64url'),
      `mgh_key_${bytes.toString('base64url')}`,
      ` mgh_key_${bytes.toString('base64url')}\n`,
    ]
    for (const form of forms) expect(Buffer.from(parseEncryptionKey(form) ?? [])).toEqual(bytes)
  })

  it('are refused in any other form or length (B284)', () => {
    const short = randomBytes(31)
    const long = randomBytes(33)
    const wrong = [
      '',
      'changeme',
      'mgh_key_',
      short.toString('hex'),
      long.toString('hex'),
      short.toString('base64'),
      long.toString('base64'),
      short.toString('base64url'),
      'x'.repeat(32),
      'p@ssw0rd'.repeat(8),
      `${'A'.repeat(43)}==`,
      `mgh_at_${randomBytes(32).toString('base64url')}`,
    ]
    for (const text of wrong) {
      expect(parseEncryptionKey(text)).toBeUndefined()
      expect(() => createVault([new Secret(text)])).toThrow('an encryption key must be 32 bytes')
      expect(() => createVault([newKey(), new Secret(text)])).toThrow('an encryption key must be 32 bytes')
    }
  })

  it('appear in no error, nor does what was sealed or the key that was refused (O5)', async () => {
    const key = newKey()
    const vault = createVault([key])
    const sealed = await vault.seal(PLAIN, CONTEXT)
    const moved = { ...CONTEXT, owner: ['canary-of-owner'] }
    const errors = [
      await failureOf(() => vault.open(sealed, moved)),
      await failureOf(() => createVault([newKey()]).open(sealed, CONTEXT)),
      await failureOf(() => vault.open(`${sealed}x`, CONTEXT)),
      await failureOf(async () => createVault([new Secret('a-short-canary')])),
    ]
    const raw = Buffer.from(key.reveal(), 'base64url')
    const canaries = [key.reveal(), raw.toString('hex'), PLAIN, sealed, 'canary']
    for (const error of errors) {
      const shown = inspect(error, { depth: 10, showHidden: true })
      for (const canary of canaries) expect(shown).not.toContain(canary)
    }
  })
})

function newKey(): Secret {
  return new Secret(randomBytes(32).toString('base64url'))
}

async function failureOf(work: () => Promise<unknown>): Promise<Error> {
  const error = await work().then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof Error)) throw new Error('nothing failed')
  return error
}
