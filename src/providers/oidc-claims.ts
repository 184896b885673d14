import { fetchUserInfo, refreshTokenGrant, skipSubjectCheck } from 'openid-client'
import type { Identity } from '../domain/identity.ts'
import type { RequiredClaims } from '../domain/provider-profile.ts'
import { checkIdToken } from './id-token.ts'
import type { Exchange } from './oidc-exchange.ts'
import { type Claims, lacksClaims, readIdentity } from './oidc-identity.ts'
import type { ReadIdentity } from './provider.ts'
import { ProviderTrouble, troubleOf } from './provider-http.ts'
import { hasRequiredClaims } from './required-claims.ts'

/** How one provider's claims are to be read. */
export interface ClaimRules {
  readonly name: string
  readonly clientId: string
  readonly groupsClaim: string
  readonly emailVerifiedClaim?: string
  readonly requiredClaims?: RequiredClaims
}

/**
 * Who the user of a verified id_token is, by its claims and those of the userinfo endpoint. Throws {@link ProviderTrouble}:
 * `dead` when a required claim is missing, `misconfigured` when the subject is unusable.
 */
export async function readClaims(exchange: Exchange, claims: Claims, rules: ClaimRules): Promise<Identity> {
  checkRequired(claims, rules)
  // Who refuses our token tells us nothing, and missing claims allow nothing.
  const userinfo = lacksClaims(claims, rules.groupsClaim) ? await askUserInfo(exchange, String(claims.sub)) : 'unasked'
  return identityOf(claims, userinfo, rules)
}

/**
 * The same after a refresh (OpenID Connect Core §12.2), in an exchange that was opened with its answer. Without an id_token
 * only a part is read, and so it is where the userinfo endpoint refuses the new token.
 */
export async function rereadClaims(exchange: Exchange, rules: ClaimRules): Promise<ReadIdentity> {
  const claims = await refreshedClaims(exchange, rules)
  if (claims) checkRequired(claims, rules)
  const isAsked = !claims || lacksClaims(claims, rules.groupsClaim)
  const userinfo = isAsked ? await askUserInfo(exchange, claims ? String(claims.sub) : skipSubjectCheck) : 'unasked'
  const answers = [claims ?? [], typeof userinfo === 'string' ? [] : userinfo].flat()
  const silent = [...(claims ? [] : ['id_token' as const]), ...(userinfo === 'refused' ? ['api' as const] : [])]
  if (claims && silent.length === 0) return { outcome: 'read', identity: identityOf(claims, userinfo, rules) }
  const unsaid = CLAIMS.filter((claim) =>
    answers.every((answer) => !Object.hasOwn(answer, claim === 'groups' ? rules.groupsClaim : claim)),
  )
  const identity = answers.length === 0 ? {} : { identity: identityOf(claims, userinfo, rules) }
  return { outcome: 'partly-read', ...identity, silent, unsaid }
}

/** Those of the id_token that came with a refresh, verified. */
async function refreshedClaims({ config, answer }: Exchange, rules: ClaimRules): Promise<Claims | undefined> {
  const { idToken, accessToken } = answer()
  if (idToken === undefined) return undefined
  const granted = await refreshTokenGrant(config, 'answered already')
  const claims: Claims = granted.claims() ?? {}
  checkIdToken(idToken, claims, rules.clientId, accessToken.reveal())
  return claims
}

function checkRequired(claims: Claims, { requiredClaims = {} }: ClaimRules): void {
  if (!hasRequiredClaims(requiredClaims, (claim) => claims[claim]))
    throw new ProviderTrouble('dead', 'required_claim_missing')
}

/** One that is down could change who may come in, so that throws. */
async function askUserInfo(
  { config, answer }: Exchange,
  subject: string | typeof skipSubjectCheck,
): Promise<Claims | 'unasked' | 'refused'> {
  if (config.serverMetadata().userinfo_endpoint === undefined) return 'unasked'
  try {
    return await fetchUserInfo(config, answer().accessToken.reveal(), subject)
  } catch (error) {
    const trouble = troubleOf(error)
    if (trouble.effect === 'misconfigured' && trouble.reason.startsWith('http_')) return 'refused'
    throw trouble
  }
}

function identityOf(
  claims: Claims | undefined,
  userinfo: Claims | 'unasked' | 'refused',
  { name, groupsClaim, emailVerifiedClaim }: ClaimRules,
): Identity {
  const sources = [claims, typeof userinfo === 'string' ? undefined : userinfo].flatMap((source) =>
    source === undefined ? [] : [withVerification(source, emailVerifiedClaim)],
  )
  const identity = readIdentity(name, sources, groupsClaim)
  if (!identity) throw new ProviderTrouble('misconfigured', 'subject_unusable')
  const own = claims && readIdentity(name, sources.slice(0, 1), groupsClaim)
  const inIdToken = CLAIMS.filter((claim) => (own?.[claim]?.length ?? 0) > 0)
  return inIdToken.length === 0 ? identity : { ...identity, inIdToken }
}

const CLAIMS = ['email', 'name', 'groups'] as const

/** A provider with a claim of its own writes it as `true`, as 1 or as "1". */
function withVerification(claims: Claims, claim: string | undefined): Claims {
  if (claim === undefined || Object.hasOwn(claims, 'email_verified')) return claims
  return { ...claims, email_verified: [true, 1, '1'].some((yes) => yes === claims[claim]) }
}
