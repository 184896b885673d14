import type { AuthorizationRequest } from './authorization-request.ts'
import type { Identity } from './identity.ts'
import type { IssuedTo } from './upstream-client.ts'

/** What every stage of one authorization carries through one browser. */
interface Carried {
  readonly request: AuthorizationRequest
}

/** Where a user signs in, and as which client of ours: it has to be finished as the one it was begun as. */
export interface AtProvider {
  readonly provider: string
  /** Absent where the provider has no clients. */
  readonly upstreamClient?: IssuedTo
}

/** The user is being asked. Nothing that a callback would accept exists yet (MCP: state only after consent). */
export interface ConsentStage extends Carried {
  readonly stage: 'consent'
}

/** The user has signed in, and something is still missing. */
interface AfterSignIn {
  /** Tokens of the sign-in that will be kept (`serializeTokens`); interactions are sealed. */
  readonly signInTokens?: string
}

/** The user approved and is at the provider. */
export interface SignInStage extends Carried, AtProvider, AfterSignIn {
  readonly stage: 'sign-in'
  readonly routePath: string
  /** Set on the second leg: who signed in on the first. This leg only brings the token for the MCP server. */
  readonly signedIn?: Identity
  /** SHA-256 of the random half of `state` that the provider will send back. */
  readonly stateHash: string
  /** SHA-256 of the cookie of the browser that approved. */
  readonly browserHash: string
  /** What the provider needs again when the user returns: nonce and PKCE verifier. */
  readonly continuation: Readonly<Record<string, string>>
  /** Set when the consent page was not shown: the user (as a hash) who approved the same before, and must sign in now. */
  readonly rememberedFor?: string
  /** Failed password attempts so far. */
  readonly attempts: number
}

/** The user has signed in and is asked for a token of their own. */
export interface ConnectStage extends Carried, AfterSignIn {
  readonly stage: 'connect'
  readonly routePath: string
  readonly identity: Identity
  readonly signedInAt: AtProvider
  /** Whether the consent page was skipped because of an earlier approval. */
  readonly remembered: boolean
  /** SHA-256 of the cookie of the browser that signed in. */
  readonly browserHash: string
  /** Tokens tried so far. */
  readonly attempts: number
  /**
   * A token that works and that nobody has decided to keep yet (`serializePat`): its account is shown first. Interactions
   * are sealed; this one ends with it.
   */
  readonly tried?: string
}

/** An AuthorizationRequest travelling in one browser, a union by stage. */
export type Interaction = ConsentStage | SignInStage | ConnectStage
