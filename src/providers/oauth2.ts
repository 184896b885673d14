import { createHash, randomBytes } from 'node:crypto'
import type { ProviderTokens } from '../domain/credential.ts'
import type { OAuth2Profile, RegistrationRules } from '../domain/provider-profile.ts'
import type { Secret } from '../domain/secret.ts'
import { outcomeOfAuthorizationError } from './authorization-error.ts'
import { createClientRegistration } from './client-registration.ts'
import { REFRESH_MS, REQUEST_MS } from './deadline.ts'
import { readMappedIdentity, rereadMappedIdentity } from './mapped-identity.ts'
import { createOAuth2Requests } from './oauth2-requests.ts'
import type { Provider, SignInOutcome } from './provider.ts'
import { type Fetch, ProviderTrouble, troubleOf } from './provider-http.ts'
import { failedRefresh, identityOutcome } from './refresh-outcome.ts'
import { exchangeForm, failedExchange, readExchange } from './token-exchange.ts'

/** A plain OAuth 2.0 provider, where the gateway is one pre-registered client. */
export interface OAuth2Options extends OAuth2Profile {
  readonly name: string
  readonly clientId: string
  readonly clientSecret?: Secret
  /** Present, with an endpoint, where clients are to be registered. */
  readonly registration?: RegistrationRules
}

export interface OAuth2Tools {
  /** Default: the platform's. */
  readonly fetch?: Fetch
  /** ms since 1970. */
  readonly now?: () => number
  /** For finish, exchange or revoke as a whole, ms; default {@link REQUEST_MS}. */
  readonly timeoutMs?: number
  /** For refresh, ms; default {@link REFRESH_MS}. */
  readonly refreshTimeoutMs?: number
}

/**
 * Sign-in at a provider without OpenID Connect: code flow (RFC 6749 §4.1) with our own PKCE where the provider knows it
 * (U-02), and the user's identity from the provider's API. Everything in which providers differ is in `options`.
 */
export function createOauth2Provider(options: OAuth2Options, tools: OAuth2Tools = {}): Provider {
  const now = tools.now ?? Date.now
  const { tokenExchange: style } = options
  const requests = createOAuth2Requests(options, {
    fetch: tools.fetch ?? fetch,
    now,
    timeoutMs: tools.timeoutMs ?? REQUEST_MS,
    refreshTimeoutMs: tools.refreshTimeoutMs ?? REFRESH_MS,
  })

  return {
    name: options.name,
    entry: 'redirect',
    refreshRules: options.refresh,
    requiresClaims: Object.keys(options.requiredClaims).length > 0,
    ...(options.registration ? { registration: registrationAt(options, options.registration, tools) } : {}),
    as({ clientId, clientSecret, authentication }) {
      const { clientSecret: _, registration: __, ...rest } = options
      const client = { clientId, ...(clientSecret === undefined ? {} : { clientSecret }) }
      const method = authentication === undefined ? {} : { clientAuthentication: authentication }
      return createOauth2Provider({ ...rest, ...client, ...method }, tools)
    },

    async begin(state, callbackUrl) {
      const verifier = options.pkce ? randomBytes(32).toString('base64url') : undefined
      const location = authorizationUrl(options, state, callbackUrl, verifier)
      return { location, continuation: verifier === undefined ? {} : { code_verifier: verifier } }
    },

    async finish({ url, state, continuation }) {
      const refusal = checkReturn(url, state)
      if (refusal) return refusal
      if (options.pkce && !continuation.code_verifier) return { outcome: 'refused', reason: 'continuation_incomplete' }
      let brought: { readonly tokens?: ProviderTokens } = {}
      try {
        const operation = requests.open()
        const { tokens, members } = await operation.ask('code', {
          grant_type: 'authorization_code',
          code: url.searchParams.get('code') ?? '',
          redirect_uri: url.origin + url.pathname,
          ...(options.pkce ? { code_verifier: continuation.code_verifier } : {}),
        })
        brought = { tokens }
        const identity = await readMappedIdentity(options, tokens.accessToken, members, operation.send)
        return { outcome: 'signed-in', identity, tokens }
      } catch (error) {
        const { effect, reason } = troubleOf(error)
        if (reason === 'required_claim_missing') return { outcome: 'denied', reason, ...brought }
        return { outcome: effect === 'unavailable' ? 'unavailable' : 'refused', reason, ...brought }
      }
    },

    ...(readsTokenAnswer(options)
      ? {}
      : {
          identify: (accessToken) =>
            identityOutcome(() => rereadMappedIdentity(options, accessToken, {}, requests.open().send)),
        }),

    ...(options.refresh.issued === 'never'
      ? {}
      : {
          async refresh(refreshToken) {
            try {
              const form = { grant_type: 'refresh_token', refresh_token: refreshToken.reveal() }
              const { tokens, members } = await requests.open('refresh').ask('refresh', form)
              const identify = () =>
                identityOutcome(() => rereadMappedIdentity(options, tokens.accessToken, members, requests.open().send))
              // RFC 6749 §6: without a new refresh token the old one stays good.
              const kept = { refreshToken, ...tokens }
              return { outcome: 'refreshed', tokens: kept, ...(readsTokenAnswer(options) ? {} : { identify }) }
            } catch (error) {
              return failedRefresh(error, true)
            }
          },
        }),

    ...(style === 'none'
      ? {}
      : {
          async exchange(subjectToken, request) {
            try {
              const answer = await requests.open().askPlain(exchangeForm(style, subjectToken, request))
              return readExchange(style, request, answer, now())
            } catch (error) {
              return failedExchange(troubleOf(error))
            }
          },
        }),

    ...(options.revocation === undefined
      ? {}
      : {
          revocationEnds: options.revocation.ends,
          async revoke(tokens) {
            // Nobody can do anything about a provider that does not take its tokens back.
            await requests.revoke(tokens).catch(() => undefined)
          },
        }),
  }
}

function registrationAt(
  { clientAuthentication: authentication, tokenExchange: style }: OAuth2Options,
  { endpoint, initialAccessToken, exchanges }: RegistrationRules,
  tools: OAuth2Tools,
) {
  return createClientRegistration({
    fetch: tools.fetch ?? fetch,
    timeoutMs: tools.timeoutMs ?? REQUEST_MS,
    async place() {
      if (endpoint === undefined) throw new ProviderTrouble('misconfigured', 'no_registration')
      return { endpoint, authentication }
    },
    ...(initialAccessToken ? { initialAccessToken } : {}),
    ...(exchanges && style !== 'none' ? { exchange: style } : {}),
  })
}

function authorizationUrl(
  options: OAuth2Options,
  state: string,
  callbackUrl: string,
  verifier: string | undefined,
): string {
  const location = new URL(options.authorizationEndpoint)
  const parameters = {
    ...options.authorizationParameters,
    [options.scopeParameter]: options.scopes.join(options.scopeSeparator),
    response_type: 'code',
    client_id: options.clientId,
    redirect_uri: callbackUrl,
    state,
    ...(verifier === undefined
      ? {}
      : {
          code_challenge: createHash('sha256').update(verifier).digest('base64url'),
          code_challenge_method: 'S256',
        }),
  }
  for (const [name, value] of Object.entries(parameters)) if (value !== '') location.searchParams.set(name, value)
  return location.href
}

/** RFC 6749 §4.1.2: `state` and `code` once each, or `error`. Undefined when there is a code to exchange. */
function checkReturn(url: URL, state: string): SignInOutcome | undefined {
  const [states, codes, errors] = ['state', 'code', 'error'].map((name) => url.searchParams.getAll(name))
  if (states?.length !== 1 || states[0] !== state) return { outcome: 'refused', reason: 'state_mismatch' }
  if (errors && errors.length > 0) return outcomeOfAuthorizationError(errors.length === 1 ? errors[0] : undefined)
  return codes?.length === 1 && codes[0] !== '' ? undefined : { outcome: 'refused', reason: 'code_missing' }
}

/** Nobody but the answer to the code tells it; one to a refresh need not repeat it. */
function readsTokenAnswer({ identity, requiredClaims }: OAuth2Options): boolean {
  const { subject, email, emailVerified, groups } = identity
  const paths = [...subject, email, emailVerified, groups, ...Object.keys(requiredClaims)]
  return paths.some((path) => path?.startsWith('token.'))
}
