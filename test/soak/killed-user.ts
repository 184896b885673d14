import type { LedgerProvider } from '../fixtures/ledger-provider.ts'
import { callMcp } from '../fixtures/mcp-call.ts'
import { registerClient, type TokenAnswer } from '../fixtures/oauth-client.ts'

/** Acknowledged state is gone: the message says whose and what. */
export class Lost extends Error {
  override readonly name = 'Lost'
}

/**
 * Somebody whose gateway dies again and again. Every method rejects with {@link Lost} for an answer that must never come,
 * and with something else when the gateway went away before it answered.
 */
export interface KilledUser {
  /** Calls the MCP server with the newest token that was received. */
  call(): Promise<void>
  /** Refreshes with the newest refresh token that was received. */
  refresh(): Promise<void>
  /** Refreshes once more if the answer to the last refresh was lost, as clients do when the gateway is back. */
  retry(): Promise<void>
  /** Signs in once more; only a sign-in that was answered to its end replaces the former one. */
  signInAnew(): Promise<void>
}

/** Registers a client and signs `name` in. */
export async function createKilledUser(issuer: string, provider: LedgerProvider, name: string): Promise<KilledUser> {
  const client = await registerClient(issuer)
  const resource = `${issuer}/mcp`
  let tokens: TokenAnswer
  let unanswered = false

  async function signIn(): Promise<void> {
    provider.setNextUser(name)
    const issued = await client.authorize(resource)
    const answer = await client.redeem(issued)
    if (answer.status !== 200) throw new Lost(`${name}: a code was refused: ${answer.status} ${answer.error}`)
    tokens = answer
    unanswered = false
  }

  async function refresh(): Promise<void> {
    unanswered = true
    const answer = await client.refresh(tokens.refresh_token)
    if (answer.status !== 200) throw new Lost(`${name}: a refresh was answered ${answer.status} ${answer.error}`)
    tokens = answer
    unanswered = false
  }

  await signIn()
  return {
    async call() {
      const answer = await callMcp(resource, tokens.access_token)
      const text = await answer.text()
      if (answer.status !== 200) throw new Lost(`${name}: a call was answered ${answer.status} ${text}`)
    },
    refresh,
    async retry() {
      if (unanswered) await refresh()
    },
    signInAnew: signIn,
  }
}
