import {
  allowInsecureRequests,
  type ClientAuth,
  ClientSecretPost,
  type Configuration,
  type CustomFetch,
  clockTolerance,
  customFetch,
  discovery,
  enableNonRepudiationChecks,
  None,
} from 'openid-client'
import type { ClientAuthentication } from '../domain/provider-profile.ts'
import type { Secret } from '../domain/secret.ts'
import type { UpstreamClient } from '../domain/upstream-client.ts'
import { basicCredentials } from './basic-credentials.ts'
import { deadlineIn } from './deadline.ts'
import { readTokenHeader } from './id-token.ts'
import { createKeyCache, type KeyCache } from './oidc-keys.ts'
import {
  checkEndpoints,
  createMetadataCache,
  isLoopback,
  type LoadedMetadata,
  type MetadataCache,
} from './oidc-metadata.ts'
import {
  type Fetch,
  fetchWhole,
  type PlainAnswer,
  ProviderTrouble,
  plainAnswer,
  requireJsonAnswer,
  TOKEN_HEADERS,
} from './provider-http.ts'
import { readTokenAnswer, type TokenAnswer } from './token-answer.ts'

/** How to reach a provider as the client that it knows. */
export interface OidcClient {
  /** https, or http on a loopback host. */
  readonly issuer: string
  readonly clientId: string
  readonly clientSecret?: Secret
  /** How the secret is sent; absent: as the provider's metadata say. */
  readonly authentication?: ClientAuthentication
}

/** One operation with the provider: everything it asks for has to be over by one deadline. */
export interface Exchange {
  readonly config: Configuration
  /** What the token endpoint answered; throws before it was asked. */
  answer(): TokenAnswer
  /** The same for `exchange`, as it arrived. */
  plainAnswer(): PlainAnswer
  /** Whether anything has been asked of the token endpoint. */
  asked(): boolean
}

/** `refreshed` is the answer of an earlier exchange, whose id_token is to be verified now. */
type Purpose = 'sign-in' | 'refresh' | 'exchange' | 'revoke' | { readonly refreshed: TokenAnswer }

/** Opens exchanges with one provider; metadata and keys outlive them. */
export interface Exchanges {
  /**
   * `refresh` leaves an id_token in the answer alone: trouble with it must not cost the rotated refresh token that came
   * along; `refreshed` looks at it afterwards. `exchange` leaves the whole answer to the caller, because RFC 8693 knows
   * answers that are no access tokens. `revoke` asks the revocation endpoint, which answers no tokens. Throws when the
   * provider's metadata cannot be had.
   */
  open(purpose: Purpose): Promise<Exchange>
  /** Exchanges as another client, over the same metadata and keys. */
  as(client: UpstreamClient): Exchanges
}

export interface ExchangeTools {
  readonly fetch: Fetch
  /** ms since 1970. */
  readonly now: () => number
  /** For a whole operation, ms. */
  readonly timeoutMs: number
  /** For a refresh, ms. */
  readonly refreshTimeoutMs: number
}

const WELL_KNOWN = '/.well-known/openid-configuration'
const CLOCK_TOLERANCE_SECONDS = 60

/** What is known of a provider, whichever client asks. */
interface Known {
  readonly keys: KeyCache
  readonly metadata: MetadataCache
}

/** Exchanges as `client`. Throws a TypeError when the issuer is neither https nor on a loopback host. */
export function createExchanges(client: OidcClient, tools: ExchangeTools, known?: Known): Exchanges {
  const issuer = new URL(client.issuer)
  if (issuer.protocol !== 'https:' && !(issuer.protocol === 'http:' && isLoopback(issuer)))
    throw new TypeError('the issuer must be https, or http on a loopback host')
  const authentication = authenticate(client)
  const keys = known?.keys ?? createKeyCache(tools.now)
  const metadata = known?.metadata ?? createMetadataCache(load, tools.now)

  function discover(fetch: CustomFetch): Promise<Configuration> {
    // Keys are verified although TLS would allow not to (OpenID Connect Core §3.1.3.7, 6): one rule for every set-up.
    const execute = [enableNonRepudiationChecks]
    if (issuer.protocol === 'http:') execute.push(allowInsecureRequests)
    const settings = { [clockTolerance]: CLOCK_TOLERANCE_SECONDS }
    return discovery(issuer, client.clientId, settings, authentication, { [customFetch]: fetch, execute })
  }

  async function load(): Promise<LoadedMetadata> {
    const deadline = deadlineIn(tools.timeoutMs)
    let document = ''
    const config = await discover(async (url, options) => {
      const response = await requireJsonAnswer(await fetchWhole(tools.fetch, url, options, deadline))
      document = await response.clone().text()
      return response
    }).catch((error: unknown) => {
      throw isOtherIssuer(error) ? new ProviderTrouble('misconfigured', 'issuer_mismatch') : error
    })
    const loaded = { document, metadata: config.serverMetadata() }
    checkEndpoints(issuer, loaded.metadata)
    return loaded
  }

  return {
    as: (other) => createExchanges({ issuer: client.issuer, ...other }, tools, { keys, metadata }),

    async open(purpose) {
      const deadline = deadlineIn(purpose === 'refresh' ? tools.refreshTimeoutMs : tools.timeoutMs)
      const loaded = await metadata.get()
      const keysUrl = new URL(loaded.metadata.jwks_uri ?? '').href
      let answer = typeof purpose === 'string' ? undefined : purpose.refreshed
      let plain: PlainAnswer | undefined
      let asked = false

      const ask: CustomFetch = async (url, options) => {
        if (url.endsWith(WELL_KNOWN)) return json(loaded.document)
        const send = () => fetchWhole(tools.fetch, url, options, deadline, TOKEN_HEADERS)
        if (purpose === 'revoke') return send()
        if (options.method === 'POST') {
          if (answer) return json(JSON.stringify(libraryView(answer, purpose)))
          asked = true
          plain = await plainAnswer(await send(), tools.now())
          if (purpose === 'exchange') return json(UNREAD)
          answer = readTokenAnswer(plain, tools.now())
          return json(JSON.stringify(libraryView(answer, purpose)))
        }
        if (url !== keysUrl) return requireJsonAnswer(await send())
        const read = async () => (await requireJsonAnswer(await send())).text()
        return json(await keys.keysFor(readTokenHeader(answer?.idToken)?.kid, read))
      }

      return {
        config: await discover(ask),
        answer: () => {
          if (!answer) throw new ProviderTrouble('unavailable', 'no_token_answer')
          return answer
        },
        plainAnswer: () => {
          if (!plain) throw new ProviderTrouble('unavailable', 'no_token_answer')
          return plain
        },
        asked: () => asked,
      }
    },
  }
}

/** openid-client compares one thing in metadata with what it expects (OpenID Connect Discovery §4.3). */
function isOtherIssuer(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED'
}

/** An answer of which openid-client is to see nothing. */
const UNREAD = JSON.stringify({ access_token: 'unread', token_type: 'bearer' })

/** The members that openid-client has to judge; ours have been judged. */
function libraryView(answer: TokenAnswer, purpose: Purpose): object {
  const idToken = purpose === 'refresh' ? undefined : answer.idToken
  return { access_token: answer.accessToken.reveal(), token_type: 'bearer', id_token: idToken }
}

function json(body: string): Response {
  return new Response(body, { headers: { 'content-type': 'application/json' } })
}

/** RFC 6749 §2.3.1: as registered; else Basic unless the provider only takes the secret in the body. */
function authenticate({ clientSecret, authentication }: OidcClient): ClientAuth {
  if (!clientSecret) return None()
  return (server, client, body, headers) => {
    if ((authentication ?? preferred(server.token_endpoint_auth_methods_supported)) === 'client_secret_post')
      return ClientSecretPost(clientSecret.reveal())(server, client, body, headers)
    headers.set('authorization', basicCredentials(client.client_id, clientSecret.reveal()))
  }
}

/** How a secret is sent where nobody has said; without a list a provider takes Basic (RFC 8414 §2). */
function preferred(methods: readonly string[] = ['client_secret_basic']): ClientAuthentication {
  return !methods.includes('client_secret_basic') && methods.includes('client_secret_post')
    ? 'client_secret_post'
    : 'client_secret_basic'
}
