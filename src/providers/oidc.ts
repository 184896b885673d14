import {
  AuthorizationResponseError,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  calculatePKCECodeChallenge,
  genericGrantRequest,
  randomNonce,
  randomPKCECodeVerifier,
  refreshTokenGrant,
  tokenRevocation,
} from 'openid-client'
import type { ProviderTokens } from '../domain/credential.ts'
import type { RefreshRules, RegistrationRules, RequiredClaims, RevocationReach } from '../domain/provider-profile.ts'
import type { TokenExchangeStyle } from '../domain/token-exchange.ts'
import { outcomeOfAuthorizationError } from './authorization-error.ts'
import { createClientRegistration } from './client-registration.ts'
import { REFRESH_MS, REQUEST_MS } from './deadline.ts'
import { checkIdToken } from './id-token.ts'
import { readClaims, rereadClaims } from './oidc-claims.ts'
import { createExchanges, type Exchange, type Exchanges, type OidcClient } from './oidc-exchange.ts'
import type { Claims } from './oidc-identity.ts'
import { isAcceptable } from './oidc-metadata.ts'
import type { Provider, SignInOutcome } from './provider.ts'
import { type Fetch, ProviderTrouble, troubleOf } from './provider-http.ts'
import { failedRefresh, identityOutcome } from './refresh-outcome.ts'
import { exchangeForm, failedExchange, readExchange } from './token-exchange.ts'

/** An OpenID Connect provider as gateway.yaml describes it. */
export interface OidcOptions extends OidcClient {
  readonly name: string
  readonly scopes: readonly string[]
  /** Claim that lists groups. */
  readonly groupsClaim: string
  /**
   * Further parameters of the authorization request, for providers that want more (U-08); an empty value leaves a
   * default of ours out. Those of the protocol itself cannot be changed.
   */
  readonly authorizationParameters?: Readonly<Record<string, string>>
  /** A claim that says instead of `email_verified` that the address can be relied on. */
  readonly emailVerifiedClaim?: string
  /** Claims of the id_token; whoever lacks one is denied. */
  readonly requiredClaims?: RequiredClaims
  readonly refresh?: RefreshRules
  /** What giving tokens back ends; default `account`, because nothing else is promised (RFC 7009 §2.1). */
  readonly revocationEnds?: RevocationReach
  /** Present where clients are to be registered. */
  readonly registration?: RegistrationRules
  /** Default `rfc8693`: a provider that does not know it says so. */
  readonly tokenExchange?: TokenExchangeStyle
}

export interface OidcTools {
  /** Default: the platform's. */
  readonly fetch?: Fetch
  /** ms since 1970. */
  readonly now?: () => number
  /** For begin, finish or exchange as a whole, ms; default {@link REQUEST_MS}. */
  readonly timeoutMs?: number
  /** For refresh, ms; default {@link REFRESH_MS}. */
  readonly refreshTimeoutMs?: number
}

/**
 * Sign-in at an OpenID Connect provider: code flow with our own PKCE and nonce, fresh for every sign-in (U-02).
 * Nothing is asked for before the first sign-in, so it may be down at start. Throws a TypeError for an http issuer that
 * is not on a loopback host.
 */
export function createOidcProvider(options: OidcOptions, tools: OidcTools = {}): Provider {
  const now = tools.now ?? Date.now
  const { timeoutMs = REQUEST_MS, refreshTimeoutMs = REFRESH_MS } = tools
  const exchanges = createExchanges(options, { fetch: tools.fetch ?? fetch, now, timeoutMs, refreshTimeoutMs })
  const provider = providerOver(options, exchanges, now)
  const { registration } = options
  return registration
    ? { ...provider, registration: registrationAt(options, registration, exchanges, tools) }
    : provider
}

/** Where the metadata say that clients are registered (OpenID Connect Discovery §3), unless the operator says so. */
function registrationAt(
  { issuer, tokenExchange: style = 'rfc8693' }: OidcOptions,
  registration: RegistrationRules,
  exchanges: Exchanges,
  tools: OidcTools,
) {
  return createClientRegistration({
    fetch: tools.fetch ?? fetch,
    timeoutMs: tools.timeoutMs ?? REQUEST_MS,
    async place() {
      const metadata = (await exchanges.open('revoke')).config.serverMetadata()
      const endpoint = registration.endpoint ?? metadata.registration_endpoint
      if (!isAcceptable(new URL(issuer), endpoint))
        throw new ProviderTrouble('misconfigured', endpoint === undefined ? 'no_registration' : 'endpoint_refused')
      // Where both work, some register clients for this one alone.
      const inBody = metadata.token_endpoint_auth_methods_supported?.includes('client_secret_post')
      return { endpoint, authentication: inBody ? 'client_secret_post' : 'client_secret_basic' }
    },
    ...(registration.initialAccessToken ? { initialAccessToken: registration.initialAccessToken } : {}),
    ...(registration.exchanges && style !== 'none' ? { exchange: style } : {}),
  })
}

function providerOver(options: OidcOptions, exchanges: Exchanges, now: () => number): Provider {
  const style = options.tokenExchange ?? 'rfc8693'
  return {
    name: options.name,
    entry: 'redirect',
    as: (client) => providerOver({ ...options, clientId: client.clientId }, exchanges.as(client), now),
    ...(options.refresh ? { refreshRules: options.refresh } : {}),
    revocationEnds: options.revocationEnds ?? 'account',
    requiresClaims: Object.keys(options.requiredClaims ?? {}).length > 0,

    async begin(state, callbackUrl) {
      try {
        const { config } = await exchanges.open('sign-in')
        const continuation = { nonce: randomNonce(), code_verifier: randomPKCECodeVerifier() }
        const location = buildAuthorizationUrl(config, {
          ...optionalParameters(options),
          response_type: 'code',
          redirect_uri: callbackUrl,
          scope: options.scopes.join(' '),
          state,
          nonce: continuation.nonce,
          code_challenge: await calculatePKCECodeChallenge(continuation.code_verifier),
          code_challenge_method: 'S256',
        })
        return { location: location.href, continuation }
      } catch (error) {
        return { outcome: 'unavailable', reason: troubleOf(error).reason }
      }
    },

    async finish({ url, state, continuation }) {
      const { nonce, code_verifier } = continuation
      if (!nonce || !code_verifier) return { outcome: 'refused', reason: 'continuation_incomplete' }
      let exchange: Exchange | undefined
      try {
        exchange = await exchanges.open('sign-in')
        const checks = { expectedState: state, expectedNonce: nonce, pkceCodeVerifier: code_verifier }
        const granted = await authorizationCodeGrant(exchange.config, url, { ...checks, idTokenExpected: true })
        const { idToken = '', ...tokens } = exchange.answer()
        const claims: Claims = granted.claims() ?? {}
        checkIdToken(idToken, claims, options.clientId, tokens.accessToken.reveal())
        return { outcome: 'signed-in', identity: await readClaims(exchange, claims, options), tokens }
      } catch (error) {
        return { ...failedSignIn(error), ...broughtBy(exchange) }
      }
    },

    async refresh(refreshToken) {
      let exchange: Exchange | undefined
      try {
        exchange = await exchanges.open('refresh')
        await refreshTokenGrant(exchange.config, refreshToken.reveal())
        const answer = exchange.answer()
        const { idToken: _, ...tokens } = answer
        return {
          outcome: 'refreshed',
          // RFC 6749 §6: without a new refresh token the old one stays good.
          tokens: { refreshToken, ...tokens },
          identify: () =>
            identityOutcome(async () => rereadClaims(await exchanges.open({ refreshed: answer }), options)),
        }
      } catch (error) {
        return failedRefresh(error, exchange?.asked() ?? false)
      }
    },

    ...(style === 'none'
      ? {}
      : {
          async exchange(subjectToken, request) {
            try {
              const exchange = await exchanges.open('exchange')
              const [[, grantType] = ['', ''], ...form] = exchangeForm(style, subjectToken, request)
              await genericGrantRequest(exchange.config, grantType, new URLSearchParams(form))
              return readExchange(style, request, exchange.plainAnswer(), now())
            } catch (error) {
              return failedExchange(troubleOf(error))
            }
          },
        }),

    async revoke({ accessToken, refreshToken }) {
      try {
        const { config } = await exchanges.open('revoke')
        if (config.serverMetadata().revocation_endpoint === undefined) return
        const hint = { token_type_hint: refreshToken ? 'refresh_token' : 'access_token' }
        await tokenRevocation(config, (refreshToken ?? accessToken).reveal(), hint)
      } catch {
        // Nobody can do anything about a provider that does not take its tokens back.
      }
    },
  }
}

/** OpenID Connect Core §11: offline_access has to be consented to, or it may be ignored. */
function optionalParameters({ scopes, authorizationParameters }: OidcOptions): Record<string, string> {
  const defaults = scopes.includes('offline_access') ? { prompt: 'consent' } : {}
  const wanted = Object.entries({ ...defaults, ...authorizationParameters })
  return Object.fromEntries(wanted.filter(([, value]) => value !== ''))
}

/** Tokens that came although nobody was signed in. */
function broughtBy(exchange: Exchange | undefined): { readonly tokens?: ProviderTokens } {
  try {
    if (!exchange?.asked()) return {}
    const { idToken: _, ...tokens } = exchange.answer()
    return { tokens }
  } catch {
    return {}
  }
}

function failedSignIn(error: unknown): SignInOutcome {
  if (error instanceof AuthorizationResponseError) return outcomeOfAuthorizationError(error.error)
  const { effect, reason } = troubleOf(error)
  if (reason === 'required_claim_missing') return { outcome: 'denied', reason }
  return { outcome: effect === 'unavailable' ? 'unavailable' : 'refused', reason }
}
