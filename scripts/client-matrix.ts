import { writeFileSync } from 'node:fs'
import { clientMatrix } from '../test/clients/client-matrix.ts'

writeFileSync(new URL('../docs/clients.md', import.meta.url), clientMatrix())
