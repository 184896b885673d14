import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { packagesOf } from '../../scripts/bundled-packages.mjs'
import { noticesOf } from '../../scripts/third-party-notices.mjs'
import { buildApp } from '../bench/app-directory.ts'
import { edit } from '../config/base.ts'
import { run, start } from './run-cli.ts'

let directory: string
let cli: string

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'gatehouse-built-'))
  cli = (await buildApp(directory)).cli
  writeFileSync(
    join(directory, 'gateway.yaml'),
    edit(
      ['listen: 127.0.0.1:8080', 'listen: 127.0.0.1:0'],
      ['127.0.0.1:9090', '127.0.0.1:0'],
      // One that is described in a file of the package.
      ['type: oidc\n    issuer: https://login.example.com/realms/main', 'type: oidc\n    preset: google'],
    ),
  )
})
afterAll(() => rmSync(directory, { recursive: true }))

function read(folder: string, name: string): string {
  return readFileSync(join(directory, folder, name), 'utf8')
}

it('what is built runs, migrates its database, serves and drains beside its database driver alone', async () => {
  expect(readdirSync(join(directory, 'node_modules')).sort()).toEqual(['better-sqlite3', 'node-addon-api'])
  const gateway = start(['serve'], { cli, cwd: directory })
  await gateway.said('listening')
  gateway.child.kill('SIGTERM')
  expect(await gateway.ended).toMatchObject({ code: 0, stderr: '' })
  expect(await run(['migrate'], { cli, cwd: directory })).toMatchObject({ code: 0, stdout: 'nothing to apply\n' })
})

it('what is built finds its presets of providers, and says its version', async () => {
  const { code, stderr } = await run(['check-config'], { cli, cwd: directory })
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const { version } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'))
  expect((await run(['--version'], { cli })).stdout).toBe(`${version}\n`)
})

it('what is built brings traces and the demo without any further package', async () => {
  const chunks = ['otlp-tracing', 'demo', 'pino-pretty', 'undici'].map((name) =>
    join(directory, `dist/chunks/${name}.js`),
  )
  const loader = join(directory, 'load.mjs')
  writeFileSync(loader, 'for (const file of process.argv.slice(2)) await import(file)')
  const { code, stderr } = await run(chunks, { cli: loader })
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
})

it('nothing that is built for serve imports node:http as a module: Node would load its WebSocket client for that', () => {
  const importing = ['dist', 'dist/chunks'].flatMap((folder) =>
    readdirSync(join(directory, folder)).filter(
      (name) => name.endsWith('.js') && /^import .* from "(?:node:)?https?"/m.test(read(folder, name)),
    ),
  )
  // The twin: the MCP server of the demo makes do with it.
  expect(importing).toEqual(['demo.js'])
})

it('the licences of everything in it are kept, and of nothing else', () => {
  const notices = readFileSync(join(directory, 'dist/THIRD-PARTY-NOTICES.txt'), 'utf8')
  const names = [...notices.matchAll(/^(@?[\w./-]+) \d+\.\d+\.\S+ \([\w.-]+\)$/gm)].map(([, name]) => name)
  for (const name of ['fastify', 'jose', 'openid-client', 'zod', 'drizzle-orm', '@opentelemetry/sdk-trace', 'avvio'])
    expect(names).toContain(name)
  for (const name of ['better-sqlite3', 'vitest', 'rolldown']) expect(names).not.toContain(name)
  expect(notices).toContain('Permission is hereby granted, free of charge')
})

it('scanners learn from a bill of materials what is in it, in the versions of the lock file', () => {
  const bill = JSON.parse(readFileSync(join(directory, 'dist/gatehouse.cdx.json'), 'utf8'))
  expect(bill).toMatchObject({ bomFormat: 'CycloneDX', metadata: { component: { name: 'mcp-gatehouse' } } })
  const { packages } = JSON.parse(readFileSync(new URL('../../package-lock.json', import.meta.url), 'utf8'))
  const locked = (name: string) => packages[`node_modules/${name}`].version
  const purls = bill.components.map(({ purl }: { purl: string }) => purl)
  expect(purls).toContain(`pkg:npm/fastify@${locked('fastify')}`)
  expect(purls).toContain(`pkg:npm/%40fastify/cookie@${locked('@fastify/cookie')}`)
  expect(new Set(purls).size).toBe(purls.length)
  expect(purls.join()).not.toMatch(/vitest|better-sqlite3/)
})

it('a package that does not say under which licence it is stops the build', () => {
  const root = join(directory, 'elsewhere/node_modules/planted')
  mkdirSync(root, { recursive: true })
  const manifest = { name: 'planted', version: '1.0.0' }
  writeFileSync(join(root, 'package.json'), JSON.stringify({ ...manifest, license: 'MIT', author: 'Somebody' }))
  expect(noticesOf(packagesOf([join(root, 'index.js')]))).toMatch(/^planted 1\.0\.0 \(MIT\)\n\n.*Somebody/)
  writeFileSync(join(root, 'package.json'), JSON.stringify(manifest))
  expect(() => packagesOf([join(root, 'index.js')])).toThrow('planted does not say')
})
