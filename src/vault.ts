import { createDecipheriv, createHash, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'
import { FlattenedEncrypt } from 'jose'
import { type HeldTokens, parseTokens, serializeTokens } from './domain/credential.ts'
import { parseEncryptionKey } from './domain/encryption-key.ts'
import type { Grant } from './domain/grant.ts'
import type { Identity } from './domain/identity.ts'
import { type PersonalAccessToken, parsePat, serializePat } from './domain/personal-access-token.ts'
import type { Secret } from './domain/secret.ts'
import {
  parseRegistrations,
  serializeRegistrations,
  type UpstreamRegistration,
} from './domain/upstream-registration.ts'

/** What a sealed value is for; it opens only under the same purpose and the same owner. */
export interface SealContext {
  readonly purpose:
    | 'interaction'
    | 'identity'
    | 'provider-tokens'
    | 'user-pat'
    | 'signing-key'
    | 'upstream-client'
    | 'sse-endpoint'
    | 'key-check'
  /** The row, and where there is one the route, it belongs to: a value moved elsewhere does not open. */
  readonly owner: readonly string[]
}

/** The only holder of keys: seals what must be read again, derives what must be recognised again. */
export interface Vault {
  seal(plain: string, context: SealContext): Promise<string>
  /** Throws {@link CannotOpen} when no configured key opens it in this context. */
  open(sealed: string, context: SealContext): Promise<string>
  /** Keys of the refresh-token MAC, the newest first. */
  readonly refreshMacKeys: readonly [Uint8Array, ...Uint8Array[]]
  /** Keys of the form proofs (CSRF), the newest first. */
  readonly browserProofKeys: readonly [Uint8Array, ...Uint8Array[]]
  /** Key of the digests of arguments in the audit trail. */
  readonly callDigestKey: KeyObject
}

/** A sealed value that no configured key opens: another key, another row, or a changed byte. */
export class CannotOpen extends Error {
  override readonly name = 'CannotOpen'
}

interface DerivedKeys {
  readonly keyId: string
  readonly seal: KeyObject
  readonly refreshMac: Uint8Array
  readonly browserProof: Uint8Array
  readonly callDigest: KeyObject
}

const KEY_BYTES = 32
/** RFC 7518 §5.3. */
const NONCE_BYTES = 12
const TAG_BYTES = 16

/**
 * A vault over `keys`, the newest first: the first seals, all open, so that keys rotate without losing anything.
 * Values are JWE (RFC 7516) with A256GCM and a random 96-bit nonce; the context is authenticated, not stored.
 * Throws when a key is not 32 bytes.
 */
export function createVault(keys: readonly [Secret, ...Secret[]]): Vault {
  const [newest, ...older] = keys.map(deriveKeys)
  if (!newest) throw new Error('a vault needs a key')
  const all = [newest, ...older]
  return {
    async seal(plain, context) {
      const jwe = await new FlattenedEncrypt(new TextEncoder().encode(plain))
        .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', kid: newest.keyId })
        .setAdditionalAuthenticatedData(bind(context))
        .encrypt(newest.seal)
      return [jwe.protected, jwe.iv, jwe.ciphertext, jwe.tag].join('.')
    },
    async open(sealed, context) {
      try {
        return decrypt(sealed, all, bind(context))
      } catch (cause) {
        throw cause instanceof CannotOpen
          ? cause
          : new CannotOpen('changed, moved or sealed for something else', { cause })
      }
    },
    refreshMacKeys: [newest.refreshMac, ...older.map((key) => key.refreshMac)],
    browserProofKeys: [newest.browserProof, ...older.map((key) => key.browserProof)],
    callDigestKey: newest.callDigest,
  }
}

/**
 * Decrypts a JWE (RFC 7516 §5.2) that {@link createVault} sealed. By hand, because a library does it in a thread of its own:
 * for values as short as these, and for each token that is looked up, going there and back costs ten times the work.
 * Throws for whatever is not authentic.
 */
function decrypt(sealed: string, keys: readonly DerivedKeys[], context: Uint8Array): string {
  const [header = '', iv = '', ciphertext = '', tag = ''] = sealed.split('.')
  const { alg, enc, kid } = JSON.parse(decoded(header).toString()) as Readonly<Record<string, unknown>>
  const nonce = decoded(iv)
  if (alg !== 'dir' || enc !== 'A256GCM' || nonce.length !== NONCE_BYTES) throw new CannotOpen('sealed in another way')
  const key = keys.find(({ keyId }) => keyId === kid)
  if (!key) throw new CannotOpen('sealed with a key that is not configured')
  const decipher = createDecipheriv('aes-256-gcm', key.seal, nonce, { authTagLength: TAG_BYTES })
  decipher.setAAD(Buffer.from(`${header}.${Buffer.from(context).toString('base64url')}`))
  decipher.setAuthTag(decoded(tag))
  const beginning = decipher.update(decoded(ciphertext))
  // Nothing is used before this has found it authentic.
  return Buffer.concat([beginning, decipher.final()]).toString()
}

function decoded(part: string): Buffer {
  return Buffer.from(part, 'base64url')
}

/** Seals who the user is for one grant. */
export function sealIdentity(vault: Vault, grantId: string, identity: Identity): Promise<string> {
  return vault.seal(JSON.stringify(identity), { purpose: 'identity', owner: [grantId] })
}

/** Who the user of a grant is. Rejects with {@link CannotOpen}. */
export async function openIdentity(vault: Vault, grant: Pick<Grant, 'id' | 'sealedIdentity'>): Promise<Identity> {
  return JSON.parse(await vault.open(grant.sealedIdentity, { purpose: 'identity', owner: [grant.id] })) as Identity
}

/** The row, the grant, the route and the provider that tokens belong to: they open for no other (B281). */
export interface TokenOwner {
  readonly id: string
  readonly grantId: string
  readonly routePath: string
  /** Who issued them: they must never be sent to anybody else's token endpoint. */
  readonly provider: string
}

/** Seals a provider's tokens for their row, grant, route and provider. */
export function sealTokens(vault: Vault, owner: TokenOwner, tokens: HeldTokens): Promise<string> {
  return vault.seal(serializeTokens(tokens), tokenContext(owner))
}

/** The provider's tokens of a row. Rejects with {@link CannotOpen}, for example when the row was moved. */
export async function openTokens(vault: Vault, owner: TokenOwner, sealed: string): Promise<HeldTokens> {
  return parseTokens(await vault.open(sealed, tokenContext(owner)))
}

/** Seals a user's own token for its row, user and route. */
export function sealPat(
  vault: Vault,
  credentialId: string,
  identity: Identity,
  routePath: string,
  pat: PersonalAccessToken,
): Promise<string> {
  return vault.seal(serializePat(pat), patContext(credentialId, identity, routePath))
}

/** A user's own token. Rejects with {@link CannotOpen}, for example when the row belongs to another user. */
export async function openPat(
  vault: Vault,
  credentialId: string,
  identity: Identity,
  routePath: string,
  sealed: string,
): Promise<PersonalAccessToken> {
  return parsePat(await vault.open(sealed, patContext(credentialId, identity, routePath)))
}

/** Seals what the gateway registered at a provider for one MCP client: it opens for no other of either. */
export function sealRegistrations(
  vault: Vault,
  provider: string,
  clientId: string,
  registrations: readonly UpstreamRegistration[],
): Promise<string> {
  return vault.seal(serializeRegistrations(registrations), { purpose: 'upstream-client', owner: [provider, clientId] })
}

/** What is registered for an MCP client, the newest first. Rejects with {@link CannotOpen}. */
export async function openRegistrations(
  vault: Vault,
  { provider, clientId, sealed }: { readonly provider: string; readonly clientId: string; readonly sealed: string },
): Promise<readonly UpstreamRegistration[]> {
  return parseRegistrations(await vault.open(sealed, { purpose: 'upstream-client', owner: [provider, clientId] }))
}

function patContext(credentialId: string, identity: Identity, routePath: string): SealContext {
  return { purpose: 'user-pat', owner: [credentialId, identity.provider, identity.subject, routePath] }
}

function tokenContext(owner: TokenOwner): SealContext {
  return { purpose: 'provider-tokens', owner: [owner.id, owner.grantId, owner.routePath, owner.provider] }
}

function deriveKeys(secret: Secret): DerivedKeys {
  const master = parseEncryptionKey(secret.reveal())
  if (!master) throw new Error('an encryption key must be 32 bytes')
  const derive = (use: string) => new Uint8Array(hkdfSync('sha256', master, '', `gatehouse ${use}`, KEY_BYTES))
  return {
    keyId: createHash('sha256').update(derive('key id')).digest('base64url').slice(0, 8),
    // To take in the bytes of a key costs Node five times as much as to use it.
    seal: createSecretKey(derive('seal')),
    refreshMac: derive('refresh token'),
    browserProof: derive('browser proof'),
    callDigest: createSecretKey(derive('call digest')),
  }
}

/** JSON keeps the parts apart, whatever characters they hold. */
function bind(context: SealContext): Uint8Array {
  return new TextEncoder().encode(JSON.stringify([context.purpose, ...context.owner]))
}
