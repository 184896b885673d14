import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto'
import type { Secret } from './secret.ts'

/** A scrypt hash (RFC 7914) taken apart: N = 2^`logN`, block size `r`, parallelism `p`. */
export interface PasswordHash {
  readonly logN: number
  readonly r: number
  readonly p: number
  readonly salt: Uint8Array
  readonly hash: Uint8Array
}

/** The longest password, in UTF-16 units; longer ones only cost time. */
export const MAX_PASSWORD_LENGTH = 1024

/** 128 MiB and about a third of a second for each guess: what OWASP recommends for scrypt. */
const FRESH = { logN: 17, r: 8, p: 1 } as const
const SALT_BYTES = 16
const HASH_BYTES = 32

const MAX_MEMORY_BYTES = 256 * 1024 * 1024
/** N·r·p, which is time; four times that of a fresh hash. */
const MAX_WORK = 2 ** 22
/** N·r·p of N = 2^14: below it a stolen hash is too cheap to guess. */
const MIN_WORK = 2 ** 17

const ENCODED =
  /^scrypt\$ln=([0-9]{1,2}),r=([0-9]{1,2}),p=([0-9]{1,2})\$([A-Za-z0-9_-]{22,86})\$([A-Za-z0-9_-]{43,86})$/

/**
 * The salted scrypt hash of `password`, as text for gateway.yaml: `scrypt$ln=17,r=8,p=1$salt$hash`.
 * Throws a RangeError when the password is empty or longer than {@link MAX_PASSWORD_LENGTH}.
 */
export async function hashPassword(password: string): Promise<string> {
  if (password === '') throw new RangeError('the password is empty')
  if (password.length > MAX_PASSWORD_LENGTH) throw new RangeError('a password may have 1024 characters at most')
  const salt = randomBytes(SALT_BYTES)
  const hash = await derive(password, { ...FRESH, salt }, HASH_BYTES)
  const { logN, r, p } = FRESH
  return `scrypt$ln=${logN},r=${r},p=${p}$${salt.toString('base64url')}$${hash.toString('base64url')}`
}

/**
 * The parts of an encoded hash, or undefined when it is none, when it is too cheap to protect anybody, or when it would
 * need more than 256 MiB or four times the work of a fresh one.
 */
export function parsePasswordHash(text: string): PasswordHash | undefined {
  const match = ENCODED.exec(text)
  if (!match) return undefined
  const [, ln, r, p, salt = '', hash = ''] = match
  const parsed = {
    logN: Number(ln),
    r: Number(r),
    p: Number(p),
    salt: Buffer.from(salt, 'base64url'),
    hash: Buffer.from(hash, 'base64url'),
  }
  const work = 2 ** parsed.logN * parsed.r * parsed.p
  if (memoryBytes(parsed) > MAX_MEMORY_BYTES || work > MAX_WORK || work < MIN_WORK) return undefined
  return parsed
}

/**
 * Whether `password` is the one behind the encoded `hash`, compared in constant time. False without any work for a hash
 * that {@link parsePasswordHash} refuses and for a password that nobody can have set.
 */
export async function verifyPassword(password: Secret, hash: string): Promise<boolean> {
  const expected = parsePasswordHash(hash)
  const presented = password.reveal()
  if (!expected || presented === '' || presented.length > MAX_PASSWORD_LENGTH) return false
  return timingSafeEqual(await derive(presented, expected, expected.hash.length), expected.hash)
}

function derive(password: string, using: Omit<PasswordHash, 'hash'>, length: number): Promise<Buffer> {
  const options: ScryptOptions = {
    N: 2 ** using.logN,
    r: using.r,
    p: using.p,
    // OpenSSL counts a few small buffers besides the table itself.
    maxmem: memoryBytes(using) + 1024 * 1024,
  }
  return new Promise((resolve, reject) => {
    // One person's é may be typed as one code point or as two (RFC 8265 §4.2.1).
    scrypt(password.normalize('NFC'), using.salt, length, options, (error, key) =>
      error ? reject(error) : resolve(key),
    )
  })
}

function memoryBytes({ logN, r, p }: Pick<PasswordHash, 'logN' | 'r' | 'p'>): number {
  return 128 * r * (2 ** logN + p)
}
