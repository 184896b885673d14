import { z } from 'zod'
import { TOKEN_ENDPOINT_AUTH_METHODS } from '../domain/client.ts'
import { parseClientIdUrl } from '../domain/client-id-url.ts'
import { parseJwks, parsePublicKeys } from '../domain/client-keys.ts'
import { acceptRedirectUri } from '../domain/redirect-uri.ts'
import { ok } from '../domain/result.ts'
import { fault } from './fault.ts'
import { matching, secret, text } from './text-schema.ts'

const CLIENT_ID = /^[\x21-\x7e]{1,200}$/

/** A client that the operator declares. */
export const StaticClientSchema = z.strictObject({
  client_id: text((value) => {
    // The address of a metadata document pins it: what stands here counts, the document is never read.
    if (parseClientIdUrl(value).ok) return ok(value)
    if (/^https?:/i.test(value))
      return fault(
        'is an address, but none that a metadata document can have',
        'write the exact https address to pin a client that has one, or choose another id',
      )
    return CLIENT_ID.test(value)
      ? ok(value)
      : fault('is not a client id', 'write 1 to 200 ASCII characters without spaces')
  }).meta({
    description: 'The id that you give to the client.',
    examples: ['inspector'],
  }),
  client_name: matching(/^[^\s\p{C}](?:[^\p{C}]{0,98}[^\s\p{C}])?$/u, 'cannot be shown', 'write 1 to 100 characters')
    .meta({ description: 'What the consent page calls it.', examples: ['MCP Inspector'] })
    .optional(),
  redirect_uris: z
    .array(
      text((value) => {
        if (value.includes('*'))
          return fault('holds a wildcard', 'write each redirect URI in full; loopback ports are free anyway')
        const accepted = acceptRedirectUri(value)
        return accepted.ok
          ? ok(value)
          : fault('is not a redirect URI that can be trusted', `note that ${accepted.failure}`)
      }).meta({ examples: ['http://localhost:6274/oauth/callback'] }),
    )
    .min(1)
    .max(20)
    .meta({
      description: 'Where answers may go, exactly; the port of a loopback URI is free.',
      examples: [['http://localhost:6274/oauth/callback']],
    }),
  token_endpoint_auth_method: z
    .enum(TOKEN_ENDPOINT_AUTH_METHODS)
    .meta({ description: 'How it proves itself; none for public clients.', examples: ['none'] })
    .optional(),
  client_secret: secret(
    /^[\x21-\x7e]{16,200}$/,
    'is too short, too long, or holds other than printable ASCII',
    `write 16 to 200 random characters, such as \${env:INSPECTOR_SECRET} set from \`openssl rand -base64 32\``,
  )
    .meta({ description: 'Only together with client_secret_basic or client_secret_post.' })
    .meta({ examples: [`\${env:INSPECTOR_SECRET}`] })
    .optional(),
  jwks: z
    .record(z.string(), z.unknown())
    .transform((value, context) => {
      const keys = parseJwks(value)
      if (keys.ok) return keys.value
      const fix = `paste the public JWK Set of the client; ${keys.failure}`
      context.addIssue({ code: 'custom', message: 'is not a set of public keys', params: { fix } })
      return z.NEVER
    })
    .meta({ description: 'Public keys of the client (RFC 7517); only together with private_key_jwt.' })
    .optional(),
  jwks_uri: text((value) => {
    const keys = parsePublicKeys({ jwks_uri: value })
    return keys.ok && keys.value?.kind === 'jwks_uri'
      ? ok(keys.value.url)
      : fault('is not a plain https address', 'write where the client publishes its keys, or use jwks')
  })
    .meta({ description: 'Where the client publishes its public keys; only together with private_key_jwt.' })
    .meta({ examples: ['https://app.example.com/jwks.json'] })
    .optional(),
})
