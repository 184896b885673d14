import type { ProviderTokens } from '../domain/credential.ts'
import type { BodyFormat, ClientAuthentication, OAuth2Profile } from '../domain/provider-profile.ts'
import type { Secret } from '../domain/secret.ts'
import { basicCredentials } from './basic-credentials.ts'
import { deadlineIn } from './deadline.ts'
import type { Send } from './mapped-identity.ts'
import {
  type Fetch,
  fetchWhole,
  type PlainAnswer,
  ProviderTrouble,
  plainAnswer,
  TOKEN_HEADERS,
} from './provider-http.ts'
import { type Members, readTokenMembers, readTokens } from './token-answer.ts'

/** The part of a provider's description that its requests need. */
export interface RequestingClient
  extends Pick<
    OAuth2Profile,
    'tokenEndpoint' | 'tokenRequest' | 'tokenAnswer' | 'clientAuthentication' | 'revocation'
  > {
  readonly clientId: string
  readonly clientSecret?: Secret
}

export interface RequestTools {
  readonly fetch: Fetch
  /** ms since 1970. */
  readonly now: () => number
  /** For a whole operation. */
  readonly timeoutMs: number
  /** For a refresh, ms. */
  readonly refreshTimeoutMs: number
}

/** Requests to one provider, in the form that it wants. */
export interface OAuth2Requests {
  /** Everything that an operation asks for has to be over by one deadline. */
  open(purpose?: 'refresh'): OAuth2Operation
  /** Gives tokens back; throws {@link ProviderTrouble} when the provider could not be asked. */
  revoke(tokens: ProviderTokens): Promise<void>
}

export interface OAuth2Operation {
  readonly send: Send
  /** Asks the token endpoint; returns its tokens and the whole answer. Throws {@link ProviderTrouble}. */
  ask(
    purpose: 'code' | 'refresh',
    parameters: Readonly<Record<string, string | undefined>>,
  ): Promise<{ readonly tokens: ProviderTokens; readonly members: Members }>
  /** Asks it something else; names may repeat. The answer is left to the caller. Throws {@link ProviderTrouble}. */
  askPlain(parameters: Parameters): Promise<PlainAnswer>
}

type Parameters = readonly [string, string][]

/** Sent everywhere: without it GitHub's API answers nobody. */
const USER_AGENT = 'mcp-gatehouse'

export function createOAuth2Requests(client: RequestingClient, tools: RequestTools): OAuth2Requests {
  function sender(timeoutMs = tools.timeoutMs): Send {
    const deadline = deadlineIn(timeoutMs)
    return (url, { method, headers, body }) => {
      // However a name is written, the last one counts: credentials, which come after what a set-up adds.
      const all = new Headers({ accept: 'application/json', 'user-agent': USER_AGENT })
      for (const [name, value] of Object.entries(headers)) all.set(name, value)
      const options = { method, headers: Object.fromEntries(all), body, redirect: 'manual' } as const
      return fetchWhole(tools.fetch, url, options, deadline, TOKEN_HEADERS)
    }
  }

  return {
    open(purpose) {
      const send = sender(purpose === 'refresh' ? tools.refreshTimeoutMs : tools.timeoutMs)

      async function askPlain(parameters: Parameters): Promise<PlainAnswer> {
        const { tokenEndpoint, tokenRequest, clientAuthentication } = client
        const credentials = authenticate(client, clientAuthentication)
        const own = Object.entries(credentials.parameters)
        const { headers, body } = encode(tokenRequest.format, [...parameters, ...own])
        const response = await send(tokenEndpoint, {
          method: 'POST',
          headers: { ...headers, ...tokenRequest.headers, ...credentials.headers },
          body,
        })
        return plainAnswer(response, tools.now())
      }

      return {
        send,
        askPlain,
        async ask(purpose, parameters) {
          const { tokenAnswer } = client
          const members = readTokenMembers(await askPlain(given(parameters)), tokenAnswer)
          const holder = purpose === 'code' ? tokenAnswer.member : tokenAnswer.refreshMember
          const { idToken: _, ...tokens } = readTokens(memberOf(members, holder), tools.now(), tokenAnswer)
          return { tokens, members }
        },
      }
    },

    async revoke({ accessToken, refreshToken }) {
      const { revocation, clientId } = client
      if (!revocation) return
      const values: Readonly<Record<string, string>> = {
        access_token: accessToken.reveal(),
        token: (refreshToken ?? accessToken).reveal(),
        token_type_hint: refreshToken ? 'refresh_token' : 'access_token',
      }
      const parameters = Object.entries(revocation.parameters).map(
        ([name, value]) =>
          [name, value.replace(/\{([a-z_]+)\}/g, (whole, key: string) => values[key] ?? whole)] as [string, string],
      )
      const credentials =
        revocation.authentication === 'bearer'
          ? { headers: { authorization: `Bearer ${accessToken.reveal()}` }, parameters: {} }
          : authenticate(client, revocation.authentication)
      const { headers, body } = encode(revocation.format, [...parameters, ...Object.entries(credentials.parameters)])
      await sender()(revocation.url.replaceAll('{client_id}', encodeURIComponent(clientId)), {
        method: revocation.method,
        headers: { ...headers, ...revocation.headers, ...credentials.headers },
        body,
      })
    },
  }
}

/** A client without a secret only says who it is (RFC 6749 §3.2.1). */
function authenticate({ clientId, clientSecret }: RequestingClient, method: ClientAuthentication) {
  if (!clientSecret) return { headers: {}, parameters: { client_id: clientId } }
  return method === 'client_secret_basic'
    ? { headers: { authorization: basicCredentials(clientId, clientSecret.reveal()) }, parameters: {} }
    : { headers: {}, parameters: { client_id: clientId, client_secret: clientSecret.reveal() } }
}

function given(parameters: Readonly<Record<string, string | undefined>>): Parameters {
  return Object.entries(parameters).filter((entry): entry is [string, string] => entry[1] !== undefined)
}

function encode(format: BodyFormat, parameters: Parameters) {
  return format === 'json'
    ? { headers: { 'content-type': 'application/json' }, body: JSON.stringify(asObject(parameters)) }
    : {
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams(parameters).toString(),
      }
}

/** A name that repeats becomes a list. */
function asObject(parameters: Parameters): Readonly<Record<string, string | string[]>> {
  const byName = Map.groupBy(parameters, ([name]) => name)
  return Object.fromEntries(
    [...byName].map(([name, pairs]) => {
      const values = pairs.map(([, value]) => value)
      return [name, values.length === 1 ? (values[0] ?? '') : values]
    }),
  )
}

/** Tokens that are not where they should be are not looked for elsewhere: those there belong to somebody else. */
function memberOf(members: Members, name: string | undefined): Members {
  if (name === undefined) return members
  const member = Object.hasOwn(members, name) ? members[name] : undefined
  if (typeof member !== 'object' || member === null || Array.isArray(member))
    throw new ProviderTrouble('misconfigured', 'tokens_missing')
  return member as Record<string, unknown>
}
