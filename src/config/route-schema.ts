import { z } from 'zod'
import { parseHeaderTemplate } from '../domain/header-template.ts'
import { ok } from '../domain/result.ts'
import { fault } from './fault.ts'
import { matching, secret, text } from './text-schema.ts'
import { parseUpstream } from './web-address.ts'

const DOMAIN = /^(?=.{1,253}$)[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$/
const LISTED = /^[^\s\p{C}](?:[^\p{C}]{0,253}[^\s\p{C}])?$/u
/** RFC 9110 §5.5: what survives as one header value. */
const HEADER_VALUE = /^[\x21-\x7e](?:[\x20-\x7e]{0,8190}[\x21-\x7e])?$/

const listed = (example: string) =>
  z.array(
    text((value) =>
      value === '*' || !LISTED.test(value)
        ? fault('does not name anybody', 'name each one; to let everybody in who can sign in, leave out allow')
        : ok(value),
    ).meta({ examples: [example] }),
  )

const AllowSchema = z.strictObject({
  email_domains: z
    .array(
      matching(DOMAIN, 'is not an e-mail domain', 'write what stands behind the @, without wildcard').meta({
        examples: ['example.com'],
      }),
    )
    .meta({ description: 'Domains of verified e-mail addresses.' })
    .optional(),
  groups: listed('engineering').meta({ description: 'Groups, as the provider names them.' }).optional(),
  users: listed('bob@partner.example').meta({ description: 'Verified e-mail addresses, or subjects.' }).optional(),
})

const CredentialSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('none').meta({ description: 'Nothing.' }) }),
  z.strictObject({
    kind: z.literal('static').meta({ description: 'The same key for everybody.' }),
    value: secret(
      HEADER_VALUE,
      'cannot be sent as a header value',
      `write printable ASCII without spaces around it, such as \${env:SHARED_PAT}`,
    ).meta({ description: 'The key or token.', examples: [`\${env:SHARED_PAT}`] }),
  }),
  z.strictObject({
    kind: z.literal('provider-token').meta({ description: "The user's own access token of the provider." }),
    provider: z
      .string()
      .meta({ description: 'The same provider as sign_in, which is also the default.', examples: ['corp'] })
      .optional(),
  }),
])

/** One protected MCP server. */
export const RouteSchema = z.strictObject({
  upstream: text(parseUpstream).meta({
    description: 'Where the MCP server is; requests go to exactly this address.',
    examples: ['http://127.0.0.1:8082/mcp'],
  }),
  sign_in: z.string().meta({ description: 'The provider where users sign in.', examples: ['corp'] }),
  title: matching(
    /^[^\s\p{C}](?:[^\p{C}]{0,98}[^\s\p{C}])?$/u,
    'cannot be shown as a title',
    'write 1 to 100 characters',
  )
    .meta({ description: 'What people see; by default the path without its slash.', examples: ['GitHub'] })
    .optional(),
  allow: AllowSchema.meta({
    description: 'Who may use it: anybody on any of the lists. Absent: everybody who can sign in.',
    examples: ['{ email_domains: [example.com] }'],
  }).optional(),
  credential: CredentialSchema.meta({
    description: 'What the MCP server gets. Absent: { kind: none }.',
    examples: ['{ kind: none }'],
  }).prefault({ kind: 'none' }),
  inject: z
    .record(
      z.string(),
      text((value) => {
        const template = parseHeaderTemplate(value)
        return template.ok ? template : fault('is not a header template', template.failure)
      }).meta({ examples: ['Bearer {credential}'] }),
    )
    .meta({
      description:
        'Headers towards the MCP server, with {credential}, {user.email} and {user.sub}. Default: Authorization: Bearer {credential}.',
      examples: ['{ Authorization: "Bearer {credential}" }'],
    })
    .optional(),
})
