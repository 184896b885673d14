import { cpSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Case } from '../case.ts'
import { freePort, startChild } from '../child.ts'
import { obtainToken } from './obtain-token.ts'

const PACKAGES: Readonly<Record<string, string>> = {
  'linux x64': 'workerd-linux-64',
  'linux arm64': 'workerd-linux-arm64',
  'darwin x64': 'workerd-darwin-64',
  'darwin arm64': 'workerd-darwin-arm64',
}

/** @cloudflare/workers-oauth-provider in the workerd of its npm package; its KV namespace is a Map in the same process. */
export const workers: Case = {
  name: 'workers',
  title: '@cloudflare/workers-oauth-provider',
  async start({ directory, upstreamPort, proxyCore, keep }) {
    const binary = findBinary()
    if (binary === undefined) return `workerd has no binary for ${process.platform} ${process.arch}`
    const port = await freePort()
    const file = join(directory, 'workers.capnp')
    cpSync(fileURLToPath(new URL('workers/', import.meta.url)), directory, { recursive: true })
    cpSync(fileURLToPath(import.meta.resolve('@cloudflare/workers-oauth-provider')), join(directory, 'provider.js'))
    writeFileSync(file, configuration(port, upstreamPort))
    const proxy = await startChild([binary, 'serve', file], { core: proxyCore, port })
    keep(proxy)
    const issuer = `http://127.0.0.1:${port}`
    const url = `${issuer}/bench`
    return { url, tokens: [await obtainToken({ issuer, resource: url })], proxy }
  },
}

function findBinary(): string | undefined {
  const name = PACKAGES[`${process.platform} ${process.arch}`]
  try {
    return createRequire(import.meta.url).resolve(`@cloudflare/${name}/bin/workerd`)
  } catch {
    return undefined
  }
}

function configuration(port: number, upstreamPort: number): string {
  return `
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = (
      modules = [
        (name = "worker.js", esModule = embed "worker.js"),
        (name = "@cloudflare/workers-oauth-provider", esModule = embed "provider.js"),
      ],
      compatibilityDate = "2026-07-01",
      bindings = [
        (name = "OAUTH_KV", kvNamespace = "kv"),
        (name = "UPSTREAM", text = "http://127.0.0.1:${upstreamPort}/mcp"),
        (name = "RESOURCE", text = "http://127.0.0.1:${port}/bench"),
      ],
      globalOutbound = "loopback",
    )),
    (name = "kv", worker = (modules = [(name = "kv.js", esModule = embed "kv.js")], compatibilityDate = "2026-07-01")),
    (name = "loopback", network = (allow = ["private"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
`
}
