import type { Client } from '../domain/client.ts'
import type { Grant } from '../domain/grant.ts'
import type {
  AccessRow,
  Change,
  CodeRow,
  CredentialPurpose,
  CredentialRow,
  EndedGrant,
  FoundAccess,
  FoundCode,
  InteractionRow,
  InterruptedRefresh,
  PresentedInVain,
  RefreshClaim,
  SessionRow,
  UnusedSince,
  UpstreamClientRow,
} from './records.ts'

/**
 * What Gatehouse remembers, as atomic verbs that say who won. No verb exposes a transaction. A verb that has resolved is
 * durable; one that rejects ({@link StoreUnavailable}) may or may not have happened, and callers must fail closed.
 * All times are milliseconds since 1970 and are passed in. Implementations pass `test/ports/store.suite.ts`.
 */
export interface Store {
  /**
   * Adds a client. Where `capacity` clients are there already, the oldest that never had a grant makes room; clients with
   * grants are never touched, so a flood of registrations can push out nothing but itself.
   */
  createClient(client: Client, capacity?: number): Promise<void>
  findClient(clientId: string): Promise<Client | undefined>
  /** Replaces what is stored of a client; false when it is not there. */
  updateClient(client: Client): Promise<boolean>
  /** Stores a client in place of an older one of its id, whole; for copies of documents that others publish. */
  putClient(client: Client): Promise<void>
  /** Removes a client and ends all its grants as {@link Store.revokeGrant} does; undefined when it is not there. */
  deleteClient(clientId: string): Promise<readonly EndedGrant[] | undefined>

  /**
   * Stores an interaction. Where `capacity` are there that nobody has advanced yet, the oldest of them makes room, and
   * likewise among those that were advanced: a crowd of strangers pushes out nobody who is signing in.
   */
  openInteraction(row: InteractionRow, capacity?: number): Promise<void>
  /** An interaction that is unexpired, or undefined. */
  findInteraction(id: string, now: number): Promise<InteractionRow | undefined>
  /** Replaces the content if nobody else has moved it since `fromVersion`; the version grows by one. */
  advanceInteraction(id: string, fromVersion: number, sealed: string, now: number): Promise<'won' | 'gone'>
  /** Removes it; of any number of concurrent callers exactly one gets true. */
  takeInteraction(id: string, fromVersion: number, now: number): Promise<boolean>

  /** Stores grant, code, credential and the tokens of the sign-in together or not at all. */
  createGrant(grant: Grant, code: CodeRow, credential?: CredentialRow, signIn?: CredentialRow): Promise<void>
  findCode(hash: string): Promise<FoundCode | undefined>
  findGrant(grantId: string): Promise<Grant | undefined>
  /** The credential that belongs to a grant, dead ones included; `purpose` is `server` by default. */
  findCredential(grantId: string, purpose?: CredentialPurpose): Promise<CredentialRow | undefined>
  /** A credential by its own id, dead ones included. */
  findCredentialById(credentialId: string): Promise<CredentialRow | undefined>
  /**
   * Stores a credential that belongs to no single grant, new or in place of the one under that id: then the version
   * grows by one and it is live again. Whoever uses it gets the new one with the next request.
   */
  putCredential(credentialId: string, sealed: string, expiresAt: number | undefined, now: number): Promise<void>
  /**
   * Marks the code used, activates its grant at generation 1 and stores the access token, all or nothing.
   * `redeemed` goes to exactly one caller; `replayed` says when the winner was; `unknown` covers expired and revoked.
   */
  redeemCode(
    hash: string,
    access: AccessRow,
    now: number,
  ): Promise<
    | { readonly outcome: 'redeemed' }
    | { readonly outcome: 'replayed'; readonly redeemedAt: number }
    | { readonly outcome: 'unknown' }
  >
  /**
   * Rotates a refresh token (RFC 9700 §4.14.2). Presenting the current generation advances it (`rotated`); presenting
   * the one before within `graceMs` of the rotation answers `retried`; an older one whose request had arrived
   * (`arrivedAt`) before that rotation is `overtaken`, within the same grace: nobody can have known better. Anything else
   * is `reused` and changes nothing. The first three store the access token. A grant that is not active is `gone`.
   */
  advanceGeneration(
    grantId: string,
    from: number,
    access: AccessRow,
    now: number,
    graceMs: number,
    arrivedAt?: number,
  ): Promise<'rotated' | 'retried' | 'overtaken' | 'reused' | 'gone'>

  /** The access token with its grant and live or dead credential; revoked and expired ones are found as they are. */
  findAccess(hash: string): Promise<FoundAccess | undefined>
  revokeAccess(hash: string): Promise<void>
  /**
   * Ends the grant with all its tokens, codes, sessions and its own credentials, and returns these as they were at that
   * moment, those for the MCP server first; undefined for everybody but the caller that did it.
   */
  revokeGrant(grantId: string): Promise<EndedGrant | undefined>
  /** Replaces what is known of the user of a grant that has not ended, if that is still `before`. */
  replaceIdentity(grantId: string, before: string, sealedIdentity: string): Promise<'won' | 'lost'>

  /**
   * Takes the right to refresh version `version` until `leaseUntil`; an older lease that has run out can be taken over.
   * The claim also notes, before anything is sent, that its refresh token is presented from `now` on.
   */
  claimRefresh(credentialId: string, version: number, now: number, leaseUntil: number): Promise<RefreshClaim>
  /**
   * Live credentials whose refresh token was presented and whose outcome nobody stored, and those for which somebody else
   * than their provider answered since `relayedSince`; `limit` at most of each.
   */
  findInterrupted(limit: number, relayedSince: number): Promise<readonly InterruptedRefresh[]>
  /** Stores a refreshed credential if `version` is still current; the version grows by one, lease and note end. */
  replaceCredential(
    credentialId: string,
    version: number,
    sealed: string,
    expiresAt: number | undefined,
  ): Promise<'won' | 'lost'>
  /**
   * Ends a lease without a result, so that the next caller need not wait for it to run out. The note that the refresh token
   * was presented stays where that is `doubtful`; where it is `relayed`, the time of the first of these is kept instead.
   */
  releaseRefresh(credentialId: string, version: number, known: PresentedInVain): Promise<void>
  /** Leaves a tombstone without content if `version` is still current. */
  killCredential(credentialId: string, version: number): Promise<'won' | 'lost'>

  /**
   * Binds a session to its grant unless it is bound already: `bound` when the grant has it afterwards, `foreign` when it
   * is another grant's, which never changes. Where the grant has `capacity` sessions already, its oldest makes room.
   * Rejects, and binds nothing, when the grant has ended.
   */
  bindSession(row: SessionRow, capacity?: number): Promise<'bound' | 'foreign'>
  findSession(hash: string): Promise<SessionRow | undefined>
  endSession(hash: string): Promise<void>

  findUpstreamClient(provider: string, clientId: string): Promise<UpstreamClientRow | undefined>
  /** Notes that a sign-in begins with it, so that it is not taken for one that nobody needs. */
  noteUpstreamClientUse(provider: string, clientId: string, now: number): Promise<void>
  /**
   * Stores a row of version 1 where there is none, or in place of the version before. `lost`: somebody else was faster, and
   * nothing changed. Where the provider has `capacity` rows already, one that no grant needs and that was not used since
   * `idleSince` makes room and is returned; `full` when there is none.
   */
  putUpstreamClient(
    row: UpstreamClientRow,
    room: { readonly capacity: number; readonly idleSince: number },
  ): Promise<{ readonly outcome: 'won'; readonly evicted?: UpstreamClientRow } | { readonly outcome: 'lost' | 'full' }>
  /** Whether a further one could be put, as far as that can be said now. */
  hasUpstreamClientRoom(
    provider: string,
    room: { readonly capacity: number; readonly idleSince: number },
  ): Promise<boolean>
  /** Removes it if `version` is current; true for exactly one caller. */
  takeUpstreamClient(provider: string, clientId: string, version: number): Promise<boolean>
  /** What is registered for one MCP client, at all providers. */
  findUpstreamClientsOf(clientId: string): Promise<readonly UpstreamClientRow[]>
  /**
   * Those of clients that are gone: not stored, not among `declared`, without a grant, and not used since `idleSince`;
   * `limit` at the most.
   */
  findLostUpstreamClients(
    declared: readonly string[],
    idleSince: number,
    limit: number,
  ): Promise<readonly UpstreamClientRow[]>

  /** Stores `value` under `name` unless something is there; returns what is there afterwards. */
  rememberOnce(name: string, value: string): Promise<string>
  /** Stores `value` under `name`, whatever was there. */
  remember(name: string, value: string): Promise<void>
  /** True for exactly one caller with this key until `expiresAt`; from then on the key is as good as new. */
  consumeOnce(key: string, expiresAt: number, now: number): Promise<boolean>
  /**
   * Ends, `limit` at most of each kind, what has ended by itself and may hold tokens of a provider, and returns it:
   * interactions that their user had taken up, grants whose code nobody came for, and those past their end. Nothing else
   * removes these, so that each is returned once.
   */
  takeEnded(
    now: number,
    limit: number,
  ): Promise<{ readonly interactions: readonly InteractionRow[]; readonly grants: readonly EndedGrant[] }>
  /**
   * Deletes what has ended before `now`, `limit` rows at most of each kind: interactions that nobody took up, used codes,
   * access tokens, sessions, consumed keys and revoked grants; with `unused` also clients and users' own tokens that nobody
   * has used since, and that no grant in use names. Returns how many rows went.
   */
  deleteExpired(now: number, limit: number, unused?: UnusedSince): Promise<number>
  /** Calls `listener` after every change that this process makes or hears of. Returns the way to stop it. */
  subscribe(listener: (change: Change) => void): () => void
  /** Resolves when a request could be honoured right now. */
  ping(): Promise<void>
  close(): Promise<void>
}

/** The database could not do what was asked; the caller answers 503 and lets nothing through. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable'
}

/** The database cannot be opened at all; the message says what to do about it. The process exits with 2. */
export class StoreRefused extends Error {
  override readonly name = 'StoreRefused'
}
