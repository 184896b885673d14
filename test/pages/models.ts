import type { ConnectModel, ConsentModel, ErrorModel, HandOffModel, SignInModel } from '../../src/oauth/pages.ts'

const gatewayHost = 'mcp.example.com'
const form = { action: '/consent', hidden: { interaction: '6Jq0tK9w', proof: 'Zr3vY1cM' } }

const github = {
  path: '/github',
  title: 'GitHub',
  resource: 'https://mcp.example.com/github',
  upstreamAccount: 'your token from Example Corp',
}
const wiki = {
  path: '/wiki',
  title: 'Team wiki',
  resource: 'https://mcp.example.com/wiki',
  upstreamAccount: 'a shared credential that your administrator configured',
}
const clock = {
  path: '/clock',
  title: 'World clock',
  resource: 'https://mcp.example.com/clock',
  upstreamAccount: 'nothing about you',
}

/** A website asks for one route. */
export const webConsent: ConsentModel = {
  client: { name: 'Claude', id: 'mgh_client_4fJ2mX8dQ0', origin: 'registered', uri: 'https://claude.ai' },
  redirect: { kind: 'https', host: 'claude.ai', uri: 'https://claude.ai/api/mcp/auth_callback' },
  routes: [github],
  scopes: ['mcp'],
  providerName: 'Example Corp',
  knownAs: [{ provider: 'Example Corp', isOwn: true, name: 'Gatehouse', id: 'gatehouse' }],
  gatewayHost,
  form,
}

/** A command-line program asks for one route. */
export const loopbackConsent: ConsentModel = {
  ...webConsent,
  client: { name: 'Claude Code', id: 'mgh_client_9sWcP1uKe7', origin: 'registered' },
  redirect: { kind: 'loopback', host: 'localhost', uri: 'http://localhost:33418/callback' },
}

/** A command-line program that is named by the document that a website publishes. */
export const documentConsent: ConsentModel = {
  ...loopbackConsent,
  client: {
    name: 'Claude Code',
    id: 'https://claude.ai/oauth/claude-code-client-metadata',
    origin: 'metadata-document',
    host: 'claude.ai',
  },
}

/** A desktop app that the operator declared leaves the route open. */
export const choiceConsent: ConsentModel = {
  ...webConsent,
  client: { name: 'Cursor', id: 'cursor', origin: 'static' },
  redirect: {
    kind: 'private-scheme',
    scheme: 'cursor',
    uri: 'cursor://anysphere.cursor-mcp/oauth/callback',
  },
  routes: [github, wiki, clock],
}

const steps = { names: ['Approve', 'Sign in at home', 'Connect GitHub'] }

/** The first of three steps. */
export const steppedConsent: ConsentModel = { ...loopbackConsent, steps: { ...steps, current: 0 } }

/** A server that everybody uses as the same account. */
export const sharedConsent: ConsentModel = {
  ...webConsent,
  routes: [
    {
      ...wiki,
      notices: [
        'Everybody who uses this server acts as the same account there.',
        'Everything is done as the account release-bot.',
      ],
    },
  ],
}

/** A user without a token kept here yet. */
export const connect: ConnectModel = {
  clientName: 'Claude Code',
  routeTitle: 'GitHub',
  label: 'GitHub personal access token',
  createUrl: 'https://github.com/settings/tokens',
  help: 'It needs the scopes repo and read:org.',
  steps: { ...steps, current: 2 },
  gatewayHost,
  form: { action: '/connect', hidden: { interaction: '6Jq0tK9w' } },
}

/** A user whose token is kept, and who tried another one that was refused. */
export const reconnect: ConnectModel = {
  ...connect,
  kept: { usable: true, account: 'octocat', scopes: 'repo, read:org', expiresAt: Date.UTC(2027, 2, 1) },
  problem: 'forbidden',
}

/** A user whose new token works, and would take the place of the one before. */
export const triedToken: ConnectModel = {
  ...connect,
  kept: { usable: true, account: 'octocat' },
  tried: { account: 'octocat-work', scopes: 'repo, read:org', expiresAt: Date.UTC(2027, 2, 1) },
}

/** A user whose token is kept. */
export const keptToken: ConnectModel = {
  ...connect,
  kept: { usable: true, account: 'octocat', scopes: 'repo, read:org', expiresAt: Date.UTC(2027, 2, 1) },
}

export const signIn: SignInModel = {
  steps: { ...steps, current: 1 },
  clientName: 'Claude Code',
  routeTitle: 'GitHub',
  providerName: 'home',
  gatewayHost,
  form: { action: '/sign-in', hidden: { interaction: '6Jq0tK9w' } },
  failed: false,
}

export const failedSignIn: SignInModel = { ...signIn, failed: true }

export const plainError: ErrorModel = {
  title: 'This sign-in link has expired',
  what: 'The app waited too long for you, so nothing was shared.',
  next: 'Go back to the app and start connecting again.',
  requestId: 'req-8c1f27',
}

export const interstitialError: ErrorModel = {
  title: 'The app asked for something that does not exist',
  what: 'The address of the MCP server that it named is not served here.',
  next: 'You can close this window, or tell the app what happened.',
  requestId: 'req-51b0e9',
  continue: {
    href: 'https://app.example.net/callback?error=invalid_target&state=af0ifjsldkj',
    host: 'app.example.net',
    label: 'Tell the app and leave this page',
  },
}

export const handOff: HandOffModel = {
  clientName: 'Cursor',
  target: { kind: 'private-scheme', scheme: 'cursor' },
  href: 'cursor://anysphere.cursor-mcp/oauth/callback?code=mgh_ac_x&state=af0ifjsldkj',
}

export const loopbackHandOff: HandOffModel = {
  clientName: 'Claude Code',
  target: { kind: 'loopback', host: 'localhost' },
  href: 'http://localhost:33418/callback?code=mgh_ac_x&state=af0ifjsldkj',
}
