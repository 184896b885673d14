import { ok, type Result } from '../domain/result.ts'
import { type Fault, fault } from './fault.ts'
import type { GatewayConfig } from './gateway-config.ts'

/** Where state is kept: `sqlite:FILE`, relative to the working directory. */
export function parseDatabase(text: string): Result<GatewayConfig['database'], Fault> {
  const fix = 'write sqlite:FILE, such as sqlite:data/gatehouse.db'
  if (!text.startsWith('sqlite:')) return fault('is not a database that this version knows', fix)
  const file = text.slice('sqlite:'.length)
  if (file.startsWith('//'))
    return fault('is written like a URL', 'write sqlite: and the file, such as sqlite:/var/lib/gatehouse/gatehouse.db')
  if (file === ':memory:') return fault('would forget everybody at each restart', fix)
  return file.trim() !== file || file === '' || /[?\p{C}]/u.test(file)
    ? fault('does not name a file', fix)
    : ok({ kind: 'sqlite', file })
}
