import { ok, type Result } from '../domain/result.ts'
import { type Fault, fault } from './fault.ts'

const UNIT_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** The ms of a duration such as `60s`, `10m`, `1h` or `30d`: more than nothing, `max` (written likewise) at most. */
export function parseDuration(text: string, max: string): Result<number, Fault> {
  const durationMs = toMs(text)
  const fix = `write a whole number with a unit, s, m, h or d, such as 60s, 1h or 30d; ${max} at most`
  if (durationMs === undefined) return fault('is not a duration', fix)
  if (durationMs === 0) return fault('must be longer than nothing', fix)
  return durationMs <= (toMs(max) ?? 0) ? ok(durationMs) : fault(`is longer than ${max}`, fix)
}

function toMs(text: string): number | undefined {
  const match = /^([0-9]{1,9})([smhd])$/.exec(text)
  const unitMs = UNIT_MS[match?.[2] ?? '']
  return unitMs === undefined ? undefined : Number(match?.[1]) * unitMs
}
