import { z } from 'zod'
import { matching, secret, text } from './text-schema.ts'
import { parseCollector } from './web-address.ts'

/** Where traces go; absent: no trace is kept, and callers' trace context passes as it came. */
export const TelemetrySchema = z
  .strictObject({
    otlp_endpoint: text(parseCollector).meta({
      description: 'Base address of an OpenTelemetry collector that speaks OTLP/HTTP; /v1/traces is added.',
      examples: ['http://127.0.0.1:4318'],
    }),
    headers: z
      .record(
        matching(/^[A-Za-z0-9-]{1,100}$/, 'is not a header name', 'write a header name such as Authorization'),
        secret(/^[\x20-\x7e]{1,4000}$/, 'cannot be sent as a header', 'write printable ASCII').meta({
          examples: [`\${env:OTLP_TOKEN}`],
        }),
      )
      .meta({ description: 'Headers that the collector wants, such as a token.' })
      .prefault({}),
    service_name: matching(/^[\x20-\x7e]{1,100}$/, 'is not a service name', 'write printable ASCII')
      .meta({ description: 'What this gateway is called in traces.', examples: ['gatehouse'] })
      .prefault('gatehouse'),
    sample_ratio: z
      .number()
      .min(0)
      .max(1)
      .meta({ description: 'Share of the traces that are kept, 0 to 1.', examples: [1] })
      .prefault(1),
  })
  .meta({ description: 'Traces for an OpenTelemetry collector. Absent: none.' })
