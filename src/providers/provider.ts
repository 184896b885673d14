import type { ProviderTokens } from '../domain/credential.ts'
import type { Identity, PartlyRead } from '../domain/identity.ts'
import type { RefreshRules, RevocationReach } from '../domain/provider-profile.ts'
import type { Secret } from '../domain/secret.ts'
import type { TokenExchangeRequest } from '../domain/token-exchange.ts'
import type { UpstreamClient } from '../domain/upstream-client.ts'
import type { RegisteredClient } from '../domain/upstream-registration.ts'

/** Where the user goes to sign in, and what must be kept (sealed) until the return: nonce, PKCE verifier. */
export interface BeginSignIn {
  readonly location: string
  readonly continuation: Readonly<Record<string, string>>
}

/** A user who has come back: the query of the callback, or the fields of our own sign-in form. */
export interface SignInReturn {
  /** The callback URL as configured, with the query as it arrived. */
  readonly url: URL
  /** Fields of the sign-in form; only for providers with `entry: 'form'`. */
  readonly form?: { readonly username: string; readonly password: Secret }
  readonly state: string
  readonly continuation: Readonly<Record<string, string>>
}

/**
 * How a sign-in ended. `reason` is for the log only. `refused`: the answer cannot be trusted. `wrong_password`: the user
 * may try again. `denied`: the user or the provider said no. `unavailable`: nobody's fault, later it may work. `tokens` that
 * came all the same are only there to be given back.
 */
export type SignInOutcome =
  | { readonly outcome: 'signed-in'; readonly identity: Identity; readonly tokens?: ProviderTokens }
  | { readonly outcome: 'wrong_password' }
  | {
      readonly outcome: 'denied' | 'refused' | 'unavailable'
      readonly reason: string
      readonly tokens?: ProviderTokens
    }

/**
 * How a refresh ended. `dead`: the provider says invalid_grant, for ever. `misconfigured`: it refuses us, not the user.
 * `unspent`: it has not exchanged the refresh token, as far as its answer is believed; otherwise it may have, and only its
 * answer was lost. `relayed`: an intermediary answered in its place, so that asking again soon is worthwhile.
 */
export type RefreshOutcome =
  | {
      readonly outcome: 'refreshed'
      readonly tokens: ProviderTokens
      /**
       * Asks, with the new tokens, who the user is by now. To be called when they are stored: it may take long or fail.
       * Absent where the provider cannot tell.
       */
      readonly identify?: () => Promise<IdentityOutcome>
    }
  | { readonly outcome: 'dead'; readonly reason: string }
  | {
      readonly outcome: 'misconfigured' | 'unavailable'
      readonly reason: string
      readonly unspent: boolean
      readonly relayed?: boolean
      /** How long the provider wants to be left alone, ms. */
      readonly retryAfterMs?: number
    }

/**
 * Who a user is by now. `partly-read`: not everybody has spoken who did at the sign-in. `denied`: a claim that everybody must
 * have is gone. `refused`: it was asked and vouches for nobody, such as with a token that is not good any more (RFC 6750 §3.1).
 * `unavailable`: it could not be asked.
 */
export type IdentityOutcome =
  | ReadIdentity
  | { readonly outcome: 'denied'; readonly reason: string }
  | { readonly outcome: 'refused'; readonly reason: string }
  | { readonly outcome: 'unavailable'; readonly reason: string }

/** What was read of a user, all of it or a part. */
export type ReadIdentity =
  | { readonly outcome: 'read'; readonly identity: Identity }
  | ({ readonly outcome: 'partly-read' } & PartlyRead)

/** A token that was issued for somebody else's eyes. `expiresAt` in ms since 1970, absent if unknown. */
export interface ExchangedToken {
  readonly token: Secret
  readonly expiresAt?: number
}

/**
 * How an exchange ended. `subject_refused`: the token that was offered is not, or no longer, good. `interaction_required`:
 * the user, or an administrator for them, has to agree to something at the provider first. `misconfigured`: it refuses
 * us, the audience or the scope. `unavailable`: later it may work.
 */
export type ExchangeOutcome =
  | { readonly outcome: 'exchanged'; readonly exchanged: ExchangedToken }
  | {
      readonly outcome: 'subject_refused' | 'interaction_required' | 'misconfigured' | 'unavailable'
      readonly reason: string
      /** How long the provider wants to be left alone, ms. */
      readonly retryAfterMs?: number
    }

/** Makes further clients of the gateway at a provider. No method throws for anything that the provider does. */
export interface ClientRegistration {
  /** Whether clients are registered for exchanging tokens, too. */
  readonly exchanges: boolean
  /** Registers one (RFC 7591). `misconfigured`: the provider refuses us, or answers what is of no use. */
  register(wanted: {
    readonly name: string
    readonly redirectUri: string
  }): Promise<
    | { readonly outcome: 'registered'; readonly client: RegisteredClient }
    | { readonly outcome: 'misconfigured' | 'unavailable'; readonly reason: string }
  >
  /**
   * Asks after one at its own address (RFC 7592 §2.1). `there`: with what it is by now, where the provider says enough.
   * `gone`: the provider says so. `unknown`: it does not say.
   */
  look(
    client: RegisteredClient & {
      readonly redirectUri: string
      readonly management: NonNullable<RegisteredClient['management']>
    },
  ): Promise<
    { readonly outcome: 'there'; readonly client?: RegisteredClient } | { readonly outcome: 'gone' | 'unknown' }
  >
  /** Takes one back, as well as it can (RFC 7592 §2.3): resolves whatever happens. */
  remove(management: NonNullable<RegisteredClient['management']>): Promise<void>
}

/**
 * A place where people sign in, and whose tokens we may hold. Implementations pass `test/ports/provider.suite.ts`.
 * No method throws for anything the provider or the user does; outcomes are values.
 */
export interface Provider {
  readonly name: string
  /** `redirect`: the user leaves for the provider. `form`: our own page asks for user name and password. */
  readonly entry: 'redirect' | 'form'
  /**
   * Prepares a sign-in. `state` comes back unchanged in the callback. Resolves to `unavailable` when the provider's
   * metadata cannot be read.
   */
  begin(
    state: string,
    callbackUrl: string,
  ): Promise<BeginSignIn | { readonly outcome: 'unavailable'; readonly reason: string }>
  finish(back: SignInReturn): Promise<SignInOutcome>
  /** Absent where the provider has no refresh tokens. */
  refresh?(refreshToken: Secret): Promise<RefreshOutcome>
  /**
   * Asks with an access token of the sign-in, while there is no other, who the user is by now. Absent where that is not to
   * be learned with a token alone.
   */
  identify?(accessToken: Secret): Promise<IdentityOutcome>
  /** Whether a user is still there; absent where only a sign-in or a refresh could tell. */
  knows?(subject: string): boolean
  /** Whether it lets only users in whose claims have certain values. */
  readonly requiresClaims?: boolean
  /** What is known about its refresh tokens: whether they rotate, and for how long an exchanged one still works. */
  readonly refreshRules?: RefreshRules
  /**
   * Asks for a token for another service in exchange for a user's access token (RFC 8693 §2.1). Absent where the provider
   * surely knows no such thing.
   */
  exchange?(subjectToken: Secret, request: TokenExchangeRequest): Promise<ExchangeOutcome>
  /**
   * Gives tokens back, as well as it can (RFC 7009): resolves whatever happens, also where the provider knows no such
   * thing. Absent where it surely does not.
   */
  revoke?(tokens: ProviderTokens): Promise<void>
  /** What {@link Provider.revoke} ends; `account` must not be called while another grant of the user lives (C23). */
  readonly revocationEnds?: RevocationReach
  /**
   * The same provider, where the gateway is another client; what was read about the provider is shared. Absent where there
   * are no clients.
   */
  as?(client: UpstreamClient): Provider
  /** Absent where no clients are to be registered. */
  readonly registration?: ClientRegistration
}

/** Whether nothing says that the user of a former sign-in is gone from its provider. */
export function isStillKnown(
  providers: ReadonlyMap<string, Provider>,
  { provider, subject }: Pick<Identity, 'provider' | 'subject'>,
): boolean {
  return providers.get(provider)?.knows?.(subject) ?? true
}
