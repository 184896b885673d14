import type { FastifyReply, FastifyRequest } from 'fastify'
import { auditedClient, auditedUpstreamClient } from '../audit.ts'
import type { Client } from '../domain/client.ts'
import type { ConsentStage } from '../domain/interaction.ts'
import type { SignInRoute } from '../domain/route.ts'
import { circumstances } from '../http/circumstances.ts'
import type { AuthorizationServer } from './authorization-server.ts'
import { beginSignIn } from './begin-sign-in.ts'
import { advanceInteraction, type HeldInteraction, takeInteraction } from './interactions.ts'

/** An approval: by a click just now, or (`rememberedFor`) by one before, of the user with that hash. */
export interface Approval {
  readonly held: HeldInteraction<ConsentStage>
  readonly client: Client
  readonly route: SignInRoute
  readonly rememberedFor?: string
}

/** What approval leads to: the sign-in begins (MCP: nothing of it exists before consent). */
export function approve(
  server: AuthorizationServer,
  request: FastifyRequest,
  reply: FastifyReply,
  { held, client, route, rememberedFor }: Approval,
): Promise<FastifyReply> {
  const asked = held.interaction.request
  const remembered = rememberedFor === undefined ? {} : { rememberedFor }
  return beginSignIn(
    server,
    request,
    reply,
    { asked, client, route, provider: route.signIn, ...remembered },
    {
      id: held.id,
      drop: () => takeInteraction(server, held),
      async save(interaction) {
        if (!(await advanceInteraction(server, held, interaction))) return false
        server.audit({
          event: 'consent_given',
          ...circumstances(request),
          client: auditedClient(client),
          routePath: route.path,
          remembered: rememberedFor !== undefined,
          ...auditedUpstreamClient(interaction.provider, interaction.upstreamClient),
        })
        return true
      },
    },
  )
}
