import type { GoldenClient, Registration } from './golden-client.ts'
import { GOLDEN_CLIENTS } from './golden-clients.ts'

const WAYS: Readonly<Record<Registration['way'], string>> = {
  dynamic: 'registers itself (RFC 7591)',
  'metadata-document': 'metadata document (CIMD)',
}

/** Clients of which the real program is run as well. */
const REAL: Readonly<Record<string, string>> = {
  'mcp-remote': 'mcp-remote.test.ts',
  'Inspector (CLI and TUI)': 'inspector-cli.test.ts',
}

/** docs/clients.md: what each client does, and what is asserted about it. */
export function clientMatrix(): string {
  return `# MCP clients that are known to work

Written by \`npm run clients:matrix\` from the cases in \`test/clients/golden\`; a test fails when it is stale. Each case
replays what the client sends, from its first request over registration, consent, sign-in and token to a call after a
refresh, and asserts every sentence in the third column for it. Numbers such as D-03 are requirements, see
[which test shows which](../test/conformance/README.md).

| Client | How it gets a client id, and where its answers go | What it needs, and gets | Tests |
|---|---|---|---|
${GOLDEN_CLIENTS.map(row).join('\n')}

Both official TypeScript SDKs, 1.x and 2.x, are run against a gateway as well, on the wires of 2025-11-25 and 2026-07-28
(\`test/clients/sdk-*.test.ts\`). Clients that are not listed work if they follow any MCP revision since 2025-03-26.

Where the facts come from:

${GOLDEN_CLIENTS.map(({ name, source }) => `- ${name}: ${source}.`).join('\n')}
`
}

function row(client: GoldenClient): string {
  const registrations = client.registrations.map(
    ({ way, authentication, redirectUri }) => `${WAYS[way]}, ${authentication}, \`${redirectUri}\``,
  )
  const real = REAL[client.name]
  const tests = ['golden.test.ts', ...(real === undefined ? [] : [`${real}, the real program`])]
  const cells = [client.name, lines(registrations), lines(client.quirks.map(({ says }) => says)), lines(tests)]
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
}

function lines(texts: readonly string[]): string {
  return [...new Set(texts)].join('<br>')
}
