import type { IncomingHttpHeaders } from 'node:http'

/** Something that takes time, as OpenTelemetry shows it. Nobody's token, argument or address goes into one. */
export interface Span {
  set(name: string, value: string | number): void
  /** Under these, whoever gets them continues the trace (W3C Trace Context §3.2); a `tracestate` of others must not go along. */
  readonly headers: Readonly<Record<string, string>>
  /** Ends it; only the first time counts. `error`: a constant that says what failed. */
  end(error?: string): void
}

/** Spans for a collector. Absent where none is configured, so that nobody else pays for it. */
export interface Tracing {
  /** For a request that came in; its parent is the one that its headers name, if they do so validly. */
  request(name: string, received: IncomingHttpHeaders): Span
  /** For a call of our own, on behalf of what is served now. */
  call(name: string): Span
  /** Runs `work`; `span` is the current one in it and in everything that it begins. */
  within<T>(span: Span, work: () => T): T
  current(): Span | undefined
  /** Sends what waits, within a few seconds or not at all. */
  close(): Promise<void>
}
