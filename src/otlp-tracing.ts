import { AsyncLocalStorage } from 'node:async_hooks'
import type { IncomingHttpHeaders } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Context, ROOT_CONTEXT, SpanKind, SpanStatusCode, type TextMapGetter, trace } from '@opentelemetry/api'
import { ExportResultCode, W3CTraceContextPropagator } from '@opentelemetry/core'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import { resourceFromAttributes } from '@opentelemetry/resources'
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  type SpanExporter,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import type { Secret } from './domain/secret.ts'
import type { Span, Tracing } from './tracing.ts'

/** Where spans go, and how many of them. */
export interface TracingOptions {
  /** Base of an OTLP/HTTP receiver, without `/v1/traces`. */
  readonly endpoint: string
  readonly headers: Readonly<Record<string, Secret>>
  readonly serviceName: string
  /** Share of the traces that are kept, 0 to 1; decided by the trace id. */
  readonly sampleRatio: number
  /** Told how many spans the collector took, or did not. */
  readonly onExport: (outcome: 'exported' | 'failed', spans: number) => void
}

/** Spans that wait for a collector that is slow or away; later ones are dropped. About 2 KB each. */
const WAITING_SPANS = 2048
const SPANS_PER_EXPORT = 512
const EXPORT_EVERY_MS = 2000
const EXPORT_TIMEOUT_MS = 5000
const CLOSE_MS = 3000

/** Opens tracing to an OTLP/HTTP receiver. Nothing is sent yet, and no request ever waits for it. */
export function openTracing(options: TracingOptions): Tracing {
  const ratio = new TraceIdRatioBasedSampler(options.sampleRatio)
  const provider = new TracerProvider({
    resource: resourceFromAttributes({ 'service.name': options.serviceName }),
    // Strangers may ask not to be sampled; what they cannot ask for is more.
    sampler: new ParentBasedSampler({ root: ratio, remoteParentSampled: ratio }),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: exporterOf(options),
        maxQueueSize: WAITING_SPANS,
        maxExportBatchSize: SPANS_PER_EXPORT,
        scheduledDelayMillis: EXPORT_EVERY_MS,
        exportTimeoutMillis: EXPORT_TIMEOUT_MS,
      }),
    ],
  })
  const tracer = provider.getTracer('gatehouse')
  const served = new AsyncLocalStorage<StartedSpan>()
  const start = (name: string, kind: SpanKind, parent: Context) =>
    startedSpan(trace.setSpan(parent, tracer.startSpan(name, { kind }, parent)))
  return {
    request: (name, received) => start(name, SpanKind.SERVER, propagator.extract(ROOT_CONTEXT, received, headers)),
    call: (name) => start(name, SpanKind.CLIENT, served.getStore()?.context ?? ROOT_CONTEXT),
    within: (span, work) => served.run(span as StartedSpan, work),
    current: () => served.getStore(),
    // It rejects when the collector does not take the rest, of which `onExport` has been told.
    close: () => Promise.race([provider.shutdown().catch(() => {}), sleep(CLOSE_MS, undefined, { ref: false })]),
  }
}

interface StartedSpan extends Span {
  readonly context: Context
}

const propagator = new W3CTraceContextPropagator()
const headers: TextMapGetter<IncomingHttpHeaders> = {
  keys: (received) => Object.keys(received),
  get: (received, name) => received[name],
}

function startedSpan(context: Context): StartedSpan {
  const span = trace.getSpan(context)
  const carrier: Record<string, string> = {}
  propagator.inject(context, carrier, { set: (into, name, value) => Object.assign(into, { [name]: value }) })
  return {
    context,
    headers: carrier,
    set: (name, value) => void span?.setAttribute(name, value),
    end(error) {
      if (error !== undefined) span?.setAttribute('error.type', error).setStatus({ code: SpanStatusCode.ERROR })
      span?.end()
    },
  }
}

function exporterOf({ endpoint, headers: secrets, onExport }: TracingOptions): SpanExporter {
  const exporter = new OTLPTraceExporter({
    url: `${endpoint.replace(/\/$/, '')}/v1/traces`,
    headers: Object.fromEntries(Object.entries(secrets).map(([name, value]) => [name, value.reveal()])),
    timeoutMillis: EXPORT_TIMEOUT_MS,
  })
  return {
    export: (spans, done) =>
      exporter.export(spans, (result) => {
        onExport(result.code === ExportResultCode.SUCCESS ? 'exported' : 'failed', spans.length)
        done(result)
      }),
    shutdown: () => exporter.shutdown(),
    forceFlush: () => exporter.forceFlush(),
  }
}
