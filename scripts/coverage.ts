import { writeFileSync } from 'node:fs'
import { attacksDocument } from '../test/attacks/coverage-table.ts'
import { coverageDocument } from '../test/conformance/coverage-table.ts'

writeFileSync(new URL('../test/conformance/README.md', import.meta.url), coverageDocument())
writeFileSync(new URL('../test/attacks/README.md', import.meta.url), attacksDocument())
