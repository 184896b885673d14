import { fetchUserInfo, refreshTokenGrant, skipSubjectCheck } from 'openid-client'
import type { Identity } from '../domain/identity.ts'
import type { RequiredClaims } from '../domain/provider-profile.ts'
import { checkIdToken } from './id-token.ts'
import type { Exchange } from './oidc-exchange.ts'
import { type Claims, lacksClaims, readIdentity } from './oidc-identity.ts'
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
  if (!hasRequiredClaims(rules.requiredClaims ?? {}, (claim) => claims[claim]))
    throw new ProviderTrouble('dead', 'required_claim_missing')
  return identityOf(await gatherClaims(exchange, claims, rules.groupsClaim), rules)
}

/**
 * The same after a refresh (OpenID Connect Core §12.2), in an exchange that was opened with its answer. Where no id_token
 * came along, the userinfo endpoint alone says it, and what is required of the id_token is not asked again.
 */
export async function rereadClaims(exchange: Exchange, rules: ClaimRules): Promise<Identity> {
  const { config, answer } = exchange
  const { idToken, accessToken } = answer()
  if (idToken !== undefined) {
    const granted = await refreshTokenGrant(config, 'answered already')
    const claims: Claims = granted.claims() ?? {}
    checkIdToken(idToken, claims, rules.clientId, accessToken.reveal())
    return readClaims(exchange, claims, rules)
  }
  if (config.serverMetadata().userinfo_endpoint === undefined)
    throw new ProviderTrouble('unavailable', 'nobody_to_ask_about_the_user')
  return identityOf([await fetchUserInfo(config, accessToken.reveal(), skipSubjectCheck)], rules)
}

/**
 * The id_token's claims and, where those lack something, the userinfo endpoint's. An endpoint that refuses our token
 * tells us nothing, and missing claims allow nothing; one that is down could change who may come in, so that throws.
 */
async function gatherClaims({ config, answer }: Exchange, claims: Claims, groupsClaim: string): Promise<Claims[]> {
  const hasUserinfo = config.serverMetadata().userinfo_endpoint !== undefined
  if (!hasUserinfo || !lacksClaims(claims, groupsClaim)) return [claims]
  try {
    return [claims, await fetchUserInfo(config, answer().accessToken.reveal(), String(claims.sub))]
  } catch (error) {
    const trouble = troubleOf(error)
    if (trouble.effect === 'misconfigured' && trouble.reason.startsWith('http_')) return [claims]
    throw trouble
  }
}

function identityOf(sources: readonly Claims[], { name, groupsClaim, emailVerifiedClaim }: ClaimRules): Identity {
  const vouched = sources.map((source) => withVerification(source, emailVerifiedClaim))
  const identity = readIdentity(name, vouched, groupsClaim)
  if (!identity) throw new ProviderTrouble('misconfigured', 'subject_unusable')
  return identity
}

/** A provider with a claim of its own writes it as `true`, as 1 or as "1". */
function withVerification(claims: Claims, claim: string | undefined): Claims {
  if (claim === undefined || Object.hasOwn(claims, 'email_verified')) return claims
  return { ...claims, email_verified: [true, 1, '1'].some((yes) => yes === claims[claim]) }
}
