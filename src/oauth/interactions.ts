import type { Interaction } from '../domain/interaction.ts'
import { isId, newId } from '../domain/token.ts'
import { INTERACTION_TTL_MS } from '../http/browser-proof.ts'
import type { InteractionRow } from '../storage/records.ts'
import { CannotOpen } from '../vault.ts'
import type { AuthorizationServer } from './authorization-server.ts'

/** An interaction as found: only who holds its version can move or take it. */
export interface HeldInteraction<I extends Interaction = Interaction> {
  readonly id: string
  readonly version: number
  readonly interaction: I
}

/** Authorizations under way at once; anybody can begin one, so their number has a bound. */
const MAX_PENDING = 20_000

/** Starts one; what it carries (the client's `state`, verifiers) is sealed at rest. Returns its id. `advanced`
 * marks one whose user has acted already: it is not among those that make room for others. */
export async function openInteraction(
  server: AuthorizationServer,
  interaction: Interaction,
  { id = newId(), advanced = false }: { readonly id?: string; readonly advanced?: boolean } = {},
): Promise<string> {
  const sealed = await seal(server, id, interaction)
  const expiresAt = server.now() + INTERACTION_TTL_MS
  await server.store.openInteraction({ id, version: advanced ? 2 : 1, sealed, expiresAt }, MAX_PENDING)
  return id
}

/** The unexpired interaction of that id in that stage; undefined also when it was sealed with a key that was taken out. */
export async function findInteraction<S extends Interaction['stage']>(
  server: AuthorizationServer,
  id: string | undefined,
  stage: S,
): Promise<HeldInteraction<Extract<Interaction, { stage: S }>> | undefined> {
  if (id === undefined || !isId(id)) return undefined
  const row = await server.store.findInteraction(id, server.now())
  if (!row) return undefined
  const interaction = await openInteractionRow(server, row).catch((error: unknown) => {
    if (!(error instanceof CannotOpen)) throw error
  })
  return interaction && isStage(interaction, stage) ? { id, version: row.version, interaction } : undefined
}

/** What a row holds. Rejects with CannotOpen. */
export async function openInteractionRow(
  server: Pick<AuthorizationServer, 'vault'>,
  { id, sealed }: InteractionRow,
): Promise<Interaction> {
  return JSON.parse(await server.vault.open(sealed, { purpose: 'interaction', owner: [id] })) as Interaction
}

/** Moves it on; of concurrent callers exactly one wins. Returns the held interaction, or undefined for the losers. */
export async function advanceInteraction<I extends Interaction>(
  server: AuthorizationServer,
  held: HeldInteraction,
  interaction: I,
): Promise<HeldInteraction<I> | undefined> {
  const sealed = await seal(server, held.id, interaction)
  const outcome = await server.store.advanceInteraction(held.id, held.version, sealed, server.now())
  return outcome === 'won' ? { id: held.id, version: held.version + 1, interaction } : undefined
}

/** Ends it; true for exactly one caller, who alone may act on it. */
export function takeInteraction(server: AuthorizationServer, held: HeldInteraction): Promise<boolean> {
  return server.store.takeInteraction(held.id, held.version, server.now())
}

function seal(server: AuthorizationServer, id: string, interaction: Interaction): Promise<string> {
  return server.vault.seal(JSON.stringify(interaction), { purpose: 'interaction', owner: [id] })
}

function isStage<S extends Interaction['stage']>(
  interaction: Interaction,
  stage: S,
): interaction is Extract<Interaction, { stage: S }> {
  return interaction.stage === stage
}
