// Makes dist/, which is what the package and the container carry.
import { fileURLToPath } from 'node:url'
import { bundle } from './bundle.mjs'

await bundle(fileURLToPath(new URL('../dist', import.meta.url)))
