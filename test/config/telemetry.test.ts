import { describe, expect, it } from 'vitest'
import { BASE, configOf, problemsOf } from './base.ts'

const telemetry = (members: string) => `${BASE}telemetry: { ${members} }\n`
const ENDPOINT = 'otlp_endpoint: "http://127.0.0.1:4318"'

describe('telemetry', () => {
  it('is absent by default, so that nothing is traced (P-16)', () => {
    expect(configOf(BASE)).not.toHaveProperty('telemetry')
  })

  it('needs an endpoint alone', () => {
    expect(configOf(telemetry(ENDPOINT)).telemetry).toEqual({
      endpoint: 'http://127.0.0.1:4318',
      headers: {},
      serviceName: 'gatehouse',
      sampleRatio: 1,
    })
  })

  it('holds headers as secrets', () => {
    const { headers } = configOf(telemetry(`${ENDPOINT}, headers: { X-Key: planted }`)).telemetry ?? {}
    expect(headers?.['X-Key']?.reveal()).toBe('planted')
    expect(JSON.stringify(headers)).not.toContain('planted')
  })

  it.each([
    ['', 'otlp_endpoint', /missing/],
    ['otlp_endpoint: "collector:4318"', 'otlp_endpoint', /not an http or https URL/],
    ['otlp_endpoint: "http://127.0.0.1:4318/v1/traces"', 'otlp_endpoint', /v1\/traces/],
    ['otlp_endpoint: "http://key@127.0.0.1:4318"', 'otlp_endpoint', /password/],
    ['otlp_endpoint: "http://127.0.0.1:4318?key=1"', 'otlp_endpoint', /query/],
    [`${ENDPOINT}, sample_ratio: 1.1`, 'sample_ratio', /more than 1$/],
    [`${ENDPOINT}, sample_ratio: -0.1`, 'sample_ratio', /less than 0$/],
    [`${ENDPOINT}, sample_ratio: all`, 'sample_ratio', /must be a number/],
    [`${ENDPOINT}, service_name: ""`, 'service_name', /./],
    [`${ENDPOINT}, headers: { X-Key: "" }`, 'headers.X-Key', /./],
    [`${ENDPOINT}, protocol: grpc`, 'protocol', /not a key/],
  ])('refuses { %s }', (members, key, problem) => {
    const path = `telemetry.${key}`
    expect(problemsOf(telemetry(members))).toMatchObject([{ path, problem: expect.stringMatching(problem) }])
  })
})
