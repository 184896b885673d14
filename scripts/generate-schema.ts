import { writeFileSync } from 'node:fs'
import { renderJsonSchema } from '../src/config/json-schema.ts'

// config/gateway.schema.json, for editors; test/config/json-schema.test.ts fails when it is stale.
writeFileSync(new URL('../config/gateway.schema.json', import.meta.url), renderJsonSchema())
