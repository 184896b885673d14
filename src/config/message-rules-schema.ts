import { z } from 'zod'
import { ok } from '../domain/result.ts'
import { fault } from './fault.ts'
import { matching, text } from './text-schema.ts'

/** RFC 6749 §3.3, without the comma, which clients' parsers of challenges cannot read. */
const SCOPE = /^[\x21\x23-\x2b\x2d-\x5b\x5d-\x7e]{1,100}$/
/** OpenID scopes that clients ask for out of habit (RFC 6749 §3.3 would let us grant them). */
const RESERVED = new Set(['openid', 'profile', 'email', 'offline_access'])
const TOOL = /^[^\s\p{C}]{1,128}$/u
const METHOD = /^[A-Za-z0-9_$.:*-]+(?:\/[A-Za-z0-9_$.:*-]+)*$/

const scopeName = () =>
  text((value) => {
    if (RESERVED.has(value))
      return fault('is a scope of OpenID Connect, which means nothing here', 'choose another name')
    return SCOPE.test(value)
      ? ok(value)
      : fault('is not a scope', 'write printable ASCII without spaces, quotes, commas and backslashes')
  }).meta({ examples: ['repo:read'] })

const tools = (description: string) =>
  z
    .array(matching(TOOL, 'is not the name of a tool', 'write names without spaces; * stands for any characters'))
    .min(1)
    .meta({ description, examples: [['repo_*']] })
    .optional()

const ScopeSchema = z.strictObject({
  methods: z
    .array(matching(METHOD, 'is not a method of MCP', 'write for example resources/read or resources/*'))
    .min(1)
    .meta({ description: 'Methods that it permits; * stands for any characters.', examples: [['resources/*']] })
    .optional(),
  tools: tools('Tools that it permits to call; * stands for any characters.'),
  includes: z
    .array(scopeName())
    .min(1)
    .meta({ description: 'Narrower scopes, whose rights it has too.', examples: [['repo:read']] })
    .optional(),
})

/** What a route says about tools, methods and scopes. */
export const MESSAGE_RULES = {
  tools: z
    .strictObject({
      allow: tools('The only tools that clients can call and see. Absent: all.'),
      deny: tools('Tools that nobody can call or see, even if allowed.'),
    })
    .meta({ description: 'Which tools of the server are there at all, by name; * stands for any characters.' })
    .optional(),
  scopes: z
    .record(scopeName(), ScopeSchema)
    .meta({
      description:
        'OAuth scopes of this route and what each permits. Absent: one scope, mcp, which permits everything.',
      examples: ['{ "repo:read": { tools: [get_*] } }'],
    })
    .optional(),
  default_scopes: z
    .array(scopeName())
    .min(1)
    .meta({
      description: 'Scopes that clients are told to ask for first. Absent: those that include no other.',
      examples: [['repo:read']],
    })
    .optional(),
}
