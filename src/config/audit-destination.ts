import { ok, type Result } from '../domain/result.ts'
import { type Fault, fault } from './fault.ts'
import type { GatewayConfig } from './gateway-config.ts'

/** Where the audit trail goes: `stdout` or `file:PATH`, relative to the working directory. */
export function parseAuditDestination(text: string): Result<GatewayConfig['audit']['destination'], Fault> {
  if (text === 'stdout') return ok({ kind: 'log' })
  const file = text.startsWith('file:') ? text.slice('file:'.length) : ''
  return file.trim() !== file || file === '' || file.startsWith('//') || /\p{C}/u.test(file)
    ? fault('is not a destination', 'write stdout, or file: and a path, such as file:data/audit.jsonl')
    : ok({ kind: 'file', file })
}
