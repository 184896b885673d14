import { Client as ModernClient, StreamableHTTPClientTransport as ModernTransport } from '@modelcontextprotocol/client'
import { Client as FormerClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as FormerTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Identity } from './identity.ts'

/** An official client of one identity. */
export interface Caller {
  /** The text of the answer of `whoami`; rejects when the call failed on the way. */
  whoami(nonce: string): Promise<string>
  close(): Promise<void>
}

/** Connects one kind of client. */
export type ConnectCaller = (url: string, identity: Identity) => Promise<Caller>

const CLIENT = { name: 'soak', version: '1.0.0' }
/** An answer whose connection was reset between server and gateway may never come on a stream. */
const TIMEOUT_MS = 10_000
/** A lost stream is not fetched again: the server keeps no events. */
const reconnectionOptions = {
  initialReconnectionDelay: 100,
  maxReconnectionDelay: 100,
  reconnectionDelayGrowFactor: 1,
  maxRetries: 0,
}

const connectFormer: ConnectCaller = async (url, identity) => {
  const client = new FormerClient(CLIENT)
  client.onerror = () => {}
  // The SDK's own types disagree under exactOptionalPropertyTypes.
  await client.connect(new FormerTransport(new URL(url), { fetch: identity.fetch, reconnectionOptions }) as never)
  return {
    whoami: async (nonce) =>
      textOf(await client.callTool({ name: 'whoami', arguments: { nonce } }, undefined, { timeout: TIMEOUT_MS })),
    close: () => client.close(),
  }
}

function connectModern(mode: 'legacy' | { readonly pin: string }): ConnectCaller {
  return async (url, identity) => {
    const client = new ModernClient(CLIENT, { versionNegotiation: { mode } })
    client.onerror = () => {}
    await client.connect(new ModernTransport(new URL(url), { fetch: identity.fetch, reconnectionOptions }))
    return {
      whoami: async (nonce) =>
        textOf(await client.callTool({ name: 'whoami', arguments: { nonce } }, { timeout: TIMEOUT_MS })),
      close: () => client.close(),
    }
  }
}

/** Both majors, both wires. */
export const CALLERS: readonly ConnectCaller[] = [
  connectFormer,
  connectModern('legacy'),
  connectModern({ pin: '2026-07-28' }),
]

function textOf(result: unknown): string {
  const { content, isError } = result as { content: { text?: string }[]; isError?: boolean }
  if (isError) throw new Error(content[0]?.text)
  return content[0]?.text ?? ''
}
