import { rawAsk, statuses } from '../fixtures/http-exchange.ts'
import { obtainTokens, register } from '../fixtures/oauth-requests.ts'
import type { UnderAttack } from './oracles.ts'

/** A connection on which anything can be written, with a good token for route one at hand. */
export interface RawRequests {
  /** `Host` and `Authorization` of an honest request, as header lines. */
  honest(): Promise<string>
  token(): Promise<string>
  /** POSTs `{}` to `target` with further header lines; returns the status codes that came back. */
  post(target: string, lines?: string): Promise<number[]>
  /** Writes `bytes` as they are. */
  send(bytes: string): Promise<string>
}

export function rawRequests(gateway: UnderAttack): RawRequests {
  let obtained: Promise<string> | undefined
  function token(): Promise<string> {
    obtained ??= register(gateway.rig.issuer).then(
      async (client) => (await obtainTokens(gateway.rig.issuer, client, { resource: gateway.rig.one })).accessToken,
    )
    return obtained
  }
  async function honest(): Promise<string> {
    return `Host: ${new URL(gateway.rig.issuer).host}\r\nAuthorization: Bearer ${await token()}\r\n`
  }
  const send = (bytes: string) => rawAsk(gateway.rig.address, bytes)
  return {
    honest,
    token,
    send,
    async post(target, lines = '') {
      const head = `POST ${target} HTTP/1.1\r\n${await honest()}Connection: close\r\nContent-Length: 2\r\n`
      return statuses(await send(`${head}${lines}\r\n{}`))
    },
  }
}
