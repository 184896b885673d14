import type { Page } from '../fixtures/browser.ts'
import type { Answer } from '../fixtures/http-exchange.ts'

/** How a client in the field talks to an authorization server, as observed or published; replayed word for word. */
export interface GoldenClient {
  readonly name: string
  /** Where the facts come from. */
  readonly source: string
  /** Each way in which it gets a client id, with everything that differs between them. */
  readonly registrations: readonly Registration[]
  /** Requests before it registers, in order, with the answers that keep it going. */
  readonly discovery: readonly Probe[]
  /** Parameters of its authorization request besides those of PKCE, `client_id`, `redirect_uri` and `state`. */
  readonly authorize: Parameters
  readonly token: Parameters
  readonly refresh: Parameters
  /** What is particular about it, and what it must therefore find. */
  readonly quirks: readonly Quirk[]
}

/** Names and values; `{resource}`, `{scopes}` and `{redirect_uri}` stand for what the client has learned. */
export type Parameters = Readonly<Record<string, string>>

export interface Registration {
  readonly way: 'dynamic' | 'metadata-document'
  /** Path of the published document under its host; absent for dynamic registration. */
  readonly documentPath?: string
  /** The body of `POST /register`, or the published document without its `client_id`. */
  readonly metadata: Readonly<Record<string, unknown>>
  /** What it authenticates with at the token endpoint. */
  readonly authentication: 'none' | 'client_secret_post' | 'private_key_jwt'
  /** As sent to /authorize, which need not be as registered. */
  readonly redirectUri: string
}

/** One request of the discovery; `{issuer}` and `{url}` stand for the gateway and the MCP URL, `{path}` for its path. */
export interface Probe {
  readonly method?: 'GET' | 'POST' | 'OPTIONS'
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly status: number
}

/** A sentence for the documentation, and what makes it true. */
export interface Quirk {
  readonly says: string
  /** Throws unless it holds in `seen`. */
  readonly holds: (seen: Seen) => void | Promise<void>
  /** The only way of registration that it is about. */
  readonly only?: Registration['way']
}

/** Everything that one client has seen, from the first request to a call after its first refresh. */
export interface Seen {
  readonly issuer: string
  /** The MCP URL as the user typed it. */
  readonly url: string
  readonly clientId: string
  readonly probes: readonly Answer[]
  /** The answer to a call without a token. */
  readonly challenge: Answer
  readonly resourceMetadata: Readonly<Record<string, unknown>>
  readonly serverMetadata: Readonly<Record<string, unknown>>
  /** The answer to `POST /register`; absent where nobody registered. */
  readonly registered?: Readonly<Record<string, unknown>>
  readonly consent: Page
  /** Where the browser ended up: at the client, or on our page that hands over to it. */
  readonly end: Page
  /** What reached the redirect URI. */
  readonly answer: URL
  readonly token: Readonly<Record<string, unknown>>
  readonly refreshed: Readonly<Record<string, unknown>>
  /** One more request to the token endpoint, authenticated as the client does. */
  ask(parameters: Parameters): Promise<Answer>
}
