import type { Provider } from './providers/provider.ts'
import type { Tracing } from './tracing.ts'

/** Outcomes that are as they should be, or the user's own choice. */
const GOOD: ReadonlySet<string> = new Set(['signed-in', 'wrong_password', 'denied', 'refreshed', 'exchanged'])

/** `providers` with a span for each call to one of them. */
export function tracedProviders(
  providers: ReadonlyMap<string, Provider>,
  tracing: Tracing,
): ReadonlyMap<string, Provider> {
  return new Map([...providers].map(([name, provider]) => [name, traced(provider, tracing)]))
}

function traced(provider: Provider, tracing: Tracing): Provider {
  async function spanned<T>(step: string, work: () => Promise<T>): Promise<T> {
    const span = tracing.call(`provider ${step}`)
    span.set('gatehouse.provider', provider.name)
    try {
      const result = await work()
      const outcome = outcomeOf(result)
      if (outcome !== undefined) span.set('gatehouse.outcome', outcome)
      span.end(outcome === undefined || GOOD.has(outcome) ? undefined : outcome)
      return result
    } catch (error) {
      span.end('failed')
      throw error
    }
  }
  const { as, refresh, exchange, revoke } = provider
  return {
    ...provider,
    begin: (...given) => spanned('begin', () => provider.begin(...given)),
    finish: (back) => spanned('finish', () => provider.finish(back)),
    ...(as && { as: (client) => traced(as.call(provider, client), tracing) }),
    ...(refresh && { refresh: (token) => spanned('refresh', () => refresh.call(provider, token)) }),
    ...(exchange && { exchange: (...given) => spanned('exchange', () => exchange.call(provider, ...given)) }),
    ...(revoke && { revoke: (tokens) => spanned('revoke', () => revoke.call(provider, tokens)) }),
  }
}

function outcomeOf(result: unknown): string | undefined {
  const isOutcome = typeof result === 'object' && result !== null && 'outcome' in result
  return isOutcome && typeof result.outcome === 'string' ? result.outcome : undefined
}
