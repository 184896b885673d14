import { type CryptoKey, exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from 'jose'
import { CannotOpen, type SealContext, type Vault } from '../vault.ts'

/** How long one key signs. Its public half is published for one period before and one after. */
const PERIOD_MS = 30 * 24 * 60 * 60 * 1000
const ALGORITHM = 'ES256'

/** Signs statements about users for MCP servers that trust this gateway, with keys that change by themselves. */
export interface SigningKeys {
  /** A compact JWS (RFC 7515, RFC 7519) over `claims`, with `iat` and `exp`. */
  sign(claims: Readonly<Record<string, unknown>>, lifetimeMs: number): Promise<string>
  /** The JSON Web Key Set (RFC 7517 §5): public keys of the previous, the current and the next period. */
  publicKeys(): Promise<{ readonly keys: readonly JWK[] }>
}

/** Where a value is kept once and for all processes: the first one written wins, and is returned. */
export type RememberOnce = (name: string, value: string) => Promise<string>

interface Key {
  readonly kid: string
  readonly privateKey: CryptoKey | Uint8Array
  readonly publicJwk: JWK
}

/**
 * Signing keys by period of time: every process derives the same name for the key of a period, and whoever needs it first
 * makes it. Private halves are sealed at rest. Rejects as the store and the vault do.
 */
export function createSigningKeys(vault: Vault, rememberOnce: RememberOnce, now: () => number): SigningKeys {
  const known = new Map<number, Promise<Key>>()
  const periodAt = (time: number) => Math.floor(time / PERIOD_MS)

  function keyOf(period: number): Promise<Key> {
    const present = known.get(period)
    if (present) return present
    const made = loadOrMake(period)
    known.set(period, made)
    made.catch(() => known.delete(period))
    for (const old of known.keys()) if (old < period - 2) known.delete(old)
    return made
  }

  /** One whose encryption key was taken out is passed over; the next has a name of its own, because verifiers remember keys. */
  async function loadOrMake(period: number, passedOver = 0): Promise<Key> {
    const name = passedOver === 0 ? `${period}` : `${period}-${passedOver}`
    const kid = `gatehouse-${name}`
    const context = { purpose: 'signing-key', owner: [kid] } as const
    const { privateKey } = await generateKeyPair(ALGORITHM, { extractable: true })
    const sealed = await vault.seal(JSON.stringify(await exportJWK(privateKey)), context)
    const jwk = await open(await rememberOnce(`signing-key-${name}`, sealed), context)
    if (!jwk) return loadOrMake(period, passedOver + 1)
    const { kty, crv, x, y } = jwk
    const publicJwk = { kty, crv, x, y, kid, alg: ALGORITHM, use: 'sig' } as JWK
    return { kid, privateKey: await importJWK(jwk, ALGORITHM), publicJwk }
  }

  async function open(sealed: string, context: SealContext): Promise<JWK | undefined> {
    try {
      return JSON.parse(await vault.open(sealed, context)) as JWK
    } catch (error) {
      if (error instanceof CannotOpen) return undefined
      throw error
    }
  }

  return {
    async sign(claims, lifetimeMs) {
      const time = now()
      const { kid, privateKey } = await keyOf(periodAt(time))
      return new SignJWT({ ...claims })
        .setProtectedHeader({ alg: ALGORITHM, kid, typ: 'JWT' })
        .setIssuedAt(Math.floor(time / 1000))
        .setExpirationTime(Math.floor((time + lifetimeMs) / 1000))
        .sign(privateKey)
    },
    async publicKeys() {
      const period = periodAt(now())
      const keys = await Promise.all([period - 1, period, period + 1].map(keyOf))
      return { keys: keys.map((key) => key.publicJwk) }
    },
  }
}
