import { randomBytes } from 'node:crypto'
import { Secret } from './secret.ts'

const KEY_PREFIX = 'mgh_key_'
const KEY_BYTES = 32

/**
 * The 32 bytes of an encryption key as written in gateway.yaml: the form that `gatehouse new-key` prints, or 32 bytes
 * in base64, base64url or hex. Undefined for anything else.
 */
export function parseEncryptionKey(text: string): Uint8Array | undefined {
  const bare = text.trim().replace(/^mgh_key_/, '')
  if (/^[0-9a-fA-F]{64}$/.test(bare)) return Buffer.from(bare, 'hex')
  if (!/^[A-Za-z0-9+/_-]{43}=?$/.test(bare)) return undefined
  const bytes = Buffer.from(bare, 'base64')
  return bytes.length === KEY_BYTES ? bytes : undefined
}

/** A fresh encryption key of 256 random bits, as text: `mgh_key_` and 43 base64url characters. */
export function newEncryptionKey(): Secret {
  return new Secret(KEY_PREFIX + randomBytes(KEY_BYTES).toString('base64url'))
}
