import type { FastifyRequest } from 'fastify'
import type { CredentialRule } from '../domain/credential.ts'
import type { ConnectStage } from '../domain/interaction.ts'
import { type PersonalAccessToken, patCredentialId } from '../domain/personal-access-token.ts'
import { CannotOpen, openPat } from '../vault.ts'
import type { AuthorizationServer } from './authorization-server.ts'
import { askingClient } from './client.ts'
import { findInteraction, type HeldInteraction } from './interactions.ts'
import type { Authorized } from './issue-code.ts'

type PatRule = Extract<CredentialRule, { kind: 'user-pat' }>

/** A visit to the page by the browser that signed in, with everything it is about. */
export interface Visit extends Authorized {
  readonly held: HeldInteraction<ConnectStage>
  readonly rule: PatRule
  readonly credentialId: string
}

/** The visit that `id` names, if this browser is the one that signed in. */
export async function findVisit(
  server: AuthorizationServer,
  request: FastifyRequest,
  id: string | undefined,
): Promise<Visit | undefined> {
  const held = await findInteraction(server, id, 'connect')
  if (!held || !server.browserProof.isBound(request, held.id, held.interaction.browserHash)) return undefined
  const { request: asked, routePath, identity, signedInAt, signInTokens, remembered } = held.interaction
  const route = server.routes.find((candidate) => candidate.path === routePath)
  const client = await askingClient(server, asked)
  if (route?.credential.kind !== 'user-pat' || !client) return undefined
  const credentialId = patCredentialId(identity, routePath)
  const rule = route.credential
  return { held, asked, route, client, identity, signedInAt, signInTokens, remembered, rule, credentialId }
}

/** The token that the user gave before. */
export interface Kept {
  /** Absent when it was refused, or cannot be opened any more. */
  readonly pat?: PersonalAccessToken
  /** Not refused by its server and not past its end. */
  readonly usable: boolean
}

/** What is kept for the user of a visit. Rejects with StoreUnavailable. */
export async function findKept(server: AuthorizationServer, visit: Visit): Promise<Kept | undefined> {
  const row = await server.store.findCredentialById(visit.credentialId)
  if (!row) return undefined
  if (row.state !== 'live') return { usable: false }
  try {
    const pat = await openPat(server.vault, visit.credentialId, visit.identity, visit.route.path, row.sealed)
    return { pat, usable: pat.expiresAt === undefined || pat.expiresAt > server.now() }
  } catch (error) {
    // Its key is gone: the user gives a new one.
    if (error instanceof CannotOpen) return { usable: false }
    throw error
  }
}
