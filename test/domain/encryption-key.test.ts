import { expect, it } from 'vitest'
import { newEncryptionKey, parseEncryptionKey } from '../../src/domain/encryption-key.ts'

it('reads back the key that new-key prints', () => {
  const text = newEncryptionKey().reveal()
  expect(text).toMatch(/^mgh_key_[A-Za-z0-9_-]{43}$/)
  expect(parseEncryptionKey(text)).toHaveLength(32)
  expect(newEncryptionKey().reveal()).not.toBe(text)
})

it('reads 32 bytes in hex and base64, and nothing shorter, longer or else', () => {
  const bytes = Buffer.from(Array.from({ length: 32 }, (_, index) => index * 7))
  for (const form of ['hex', 'base64', 'base64url'] as const)
    expect(Buffer.from(parseEncryptionKey(bytes.toString(form)) ?? [])).toEqual(bytes)
  for (const broken of ['', 'changeme', bytes.toString('hex').slice(2), `${bytes.toString('hex')}00`, 'mgh_key_'])
    expect(parseEncryptionKey(broken)).toBeUndefined()
})
