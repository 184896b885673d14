import { writeFileSync } from 'node:fs'
import { coverageDocument } from '../test/conformance/coverage-table.ts'

writeFileSync(new URL('../test/conformance/README.md', import.meta.url), coverageDocument())
