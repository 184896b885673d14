import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'
import { billOfMaterials } from './bill-of-materials.mjs'
import { packagesOf } from './bundled-packages.mjs'
import { noticesOf } from './third-party-notices.mjs'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

/** Native code, which finds its own files. */
const APART = ['better-sqlite3']

/**
 * Bundles src/ with everything that it is made of into `directory`: finding, reading and linking a thousand files took
 * most of the start. Chunks lie one deeper than the program, as deep as the sources that look for files of the package.
 * Names and line breaks stay, so that stack traces can be read. Rejects when anything cannot be resolved.
 *
 * @param {string} directory
 */
export async function bundle(directory) {
  const build = await rolldown({
    input: join(ROOT, 'src/cli.ts'),
    platform: 'node',
    external: APART,
    plugins: [{ name: 'static-drizzle', transform: importStatically }],
    onLog(level, log) {
      if (level === 'warn') throw new Error(log.message)
    },
  })
  // A file that was renamed must not live on in the package.
  rmSync(directory, { recursive: true, force: true })
  const { output } = await build.write({
    dir: directory,
    format: 'esm',
    entryFileNames: 'cli.js',
    chunkFileNames: 'chunks/[name].js',
  })
  await build.close()
  chmodSync(join(directory, 'cli.js'), 0o755)
  const modules = output.flatMap((part) => (part.type === 'chunk' ? part.moduleIds : []))
  const packages = packagesOf(modules)
  const program = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  writeFileSync(join(directory, 'THIRD-PARTY-NOTICES.txt'), noticesOf(packages))
  writeFileSync(join(directory, 'gatehouse.cdx.json'), billOfMaterials(program, packages))
}

/**
 * storage/drizzle.ts loads its library at run time, where that is quicker; here it is part of the bundle.
 *
 * @param {string} code
 * @param {string} id
 */
function importStatically(code, id) {
  if (!id.endsWith('/storage/drizzle.ts')) return null
  return code.replaceAll(/export const (\{[^}]+\}) = load\(\s*('[^']+'),?\s*\) as [^\n]+/g, 'export $1 from $2')
}
