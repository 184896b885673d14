import type { Secret } from '../domain/secret.ts'
import { DEMO_USER } from './demo-config.ts'

/** What the demo tells the person at the terminal once it runs. `colour` adds emphasis for terminals. */
export function welcome(
  demo: {
    readonly url: string
    readonly password: Secret
    readonly upstream: string
    readonly fingerprint: string
    readonly directory: string
  },
  colour: boolean,
): string {
  const strong = (text: string) => (colour ? `\x1b[1m${text}\x1b[22m` : text)
  const faint = (text: string) => (colour ? `\x1b[2m${text}\x1b[22m` : text)
  const vscode = JSON.stringify({ servers: { 'gatehouse-demo': { type: 'http', url: demo.url } } }, null, 2)
  return `
${strong('Gatehouse demo')}: complete OAuth in front of an MCP server that only knows a personal access token.

  MCP server   ${strong(demo.url)}
  User name    ${strong(DEMO_USER)}
  Password     ${strong(demo.password.reveal())}   ${faint('(new at each start)')}

${strong('Connect a client')}; it opens a browser, where you allow it and sign in.

  Claude Code  claude mcp add --transport http gatehouse-demo ${demo.url}
  Inspector    npx @modelcontextprotocol/inspector --server-url ${demo.url} --transport http
  VS Code      .vscode/mcp.json:

${vscode.replaceAll(/^/gm, '    ')}

Then call the tool ${strong('whoami')}: the server saw the credential ${demo.fingerprint},
its own personal access token, and never your client's. ${strong('count')} streams its progress.

  Behind it    ${demo.upstream}
  Data         ${demo.directory} ${faint('(delete it to start afresh)')}

Ctrl-C ends it.
`
}
