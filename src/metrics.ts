import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { type CallMetrics, createCallMetrics } from './call-metrics.ts'

/** What operators watch. Labels come from configuration and constants only, so that no caller can grow their number. */
export interface Metrics {
  readonly registry: Registry
  readonly calls: CallMetrics
  readonly tokens: Counter<'grant_type' | 'outcome'>
  /** `upstream_client`: shared, mapped or mirrored. */
  readonly signIns: Counter<'provider' | 'outcome' | 'upstream_client'>
  readonly upstreamRefreshes: Counter<'route' | 'provider' | 'outcome' | 'upstream_client'>
  readonly providerCircuit: Gauge<'provider'>
  readonly tokenExchanges: Counter<'provider' | 'outcome'>
  readonly registrations: Counter<'outcome'>
  readonly upstreamRegistrations: Counter<'provider' | 'outcome'>
  readonly refusals: Counter<'endpoint' | 'status'>
  readonly spans: Counter<'outcome'>
}

/** What others count; asked when the metrics are. */
export interface Losses {
  readonly lostLogLines: () => number
  readonly lostAuditEvents: () => number
}

/** A registry of its own, so that several gateways can live in one process (tests do). */
export function createMetrics(losses: Losses = { lostLogLines: () => 0, lostAuditEvents: () => 0 }): Metrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  counted(registry, 'gatehouse_log_lines_lost_total', 'Log lines that nobody took in time.', losses.lostLogLines)
  counted(
    registry,
    'gatehouse_audit_events_lost_total',
    'Audit events that could not be written.',
    losses.lostAuditEvents,
  )
  return {
    registry,
    calls: createCallMetrics(registry),
    tokens: new Counter({
      name: 'gatehouse_token_requests_total',
      help: 'Answers of the token endpoint, by grant type and outcome.',
      labelNames: ['grant_type', 'outcome'],
      registers,
    }),
    signIns: new Counter({
      name: 'gatehouse_sign_ins_total',
      help: 'Sign-ins at providers, by outcome and kind of our client there.',
      labelNames: ['provider', 'outcome', 'upstream_client'],
      registers,
    }),
    upstreamRefreshes: new Counter({
      name: 'gatehouse_provider_refreshes_total',
      help: 'Refreshes of provider tokens, by outcome and kind of our client there.',
      labelNames: ['route', 'provider', 'outcome', 'upstream_client'],
      registers,
    }),
    tokenExchanges: new Counter({
      name: 'gatehouse_token_exchanges_total',
      help: "Tokens that providers issued for MCP servers in exchange for users' own (RFC 8693), by outcome.",
      labelNames: ['provider', 'outcome'],
      registers,
    }),
    providerCircuit: new Gauge({
      name: 'gatehouse_provider_circuit_open',
      help: '1 while a provider is left alone because refreshes there failed one after the other.',
      labelNames: ['provider'],
      registers,
    }),
    upstreamRegistrations: new Counter({
      name: 'gatehouse_upstream_registrations_total',
      help: 'Clients that the gateway registered at providers (RFC 7591), or could not, by outcome.',
      labelNames: ['provider', 'outcome'],
      registers,
    }),
    registrations: new Counter({
      name: 'gatehouse_client_registrations_total',
      help: 'Client registrations (RFC 7591), by outcome.',
      labelNames: ['outcome'],
      registers,
    }),
    refusals: new Counter({
      name: 'gatehouse_refusals_total',
      help: 'Requests that no endpoint foresaw: malformed, too large, too many; by endpoint and status.',
      labelNames: ['endpoint', 'status'],
      registers,
    }),
    spans: new Counter({
      name: 'gatehouse_spans_total',
      help: 'Spans that were offered to the collector, by outcome.',
      labelNames: ['outcome'],
      registers,
    }),
  }
}

/** A counter whose value somebody else keeps. */
function counted(registry: Registry, name: string, help: string, value: () => number): void {
  new Counter({
    name,
    help,
    registers: [registry],
    collect() {
      this.reset()
      this.inc(value())
    },
  })
}
