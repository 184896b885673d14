import type { IdentityOutcome, ReadIdentity, RefreshOutcome } from './provider.ts'
import { troubleOf } from './provider-http.ts'

/** What trouble with a refresh means for its token; `asked`: whether the token endpoint was asked at all. */
export function failedRefresh(error: unknown, asked: boolean): RefreshOutcome {
  const { effect, reason, undone, relayed, retryAfterMs } = troubleOf(error)
  if (effect === 'dead') return { outcome: effect, reason }
  const unspent = undone || !asked
  const about = { reason, unspent, ...(relayed ? { relayed } : {}) }
  return { outcome: effect, ...about, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }
}

/** Who the user is by now, read by `read`; that the provider cannot be asked says nothing about the user. */
export async function identityOutcome(read: () => Promise<ReadIdentity>): Promise<IdentityOutcome> {
  try {
    return await read()
  } catch (error) {
    const { effect, reason } = troubleOf(error)
    if (reason === 'required_claim_missing') return { outcome: 'denied', reason }
    return { outcome: effect === 'unavailable' ? 'unavailable' : 'refused', reason }
  }
}
