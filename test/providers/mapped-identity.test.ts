import { describe, expect, it } from 'vitest'
import { Secret } from '../../src/domain/secret.ts'
import { type IdentityRules, rereadMappedIdentity, type Send } from '../../src/providers/mapped-identity.ts'

const USER = 'https://api.example.com/user'
const TEAMS = 'https://api.example.com/teams'
const request = (url: string, optional: boolean) => ({ url, method: 'GET' as const, headers: {}, optional })
const RULES: IdentityRules = {
  name: 'corp',
  identity: {
    requests: { user: request(USER, false), teams: request(TEAMS, true) },
    subject: ['user.id'],
    name: ['user.name'],
    groups: 'teams.names',
  },
  requiredClaims: {},
  tokenAnswer: { tokenTypes: ['bearer'], formEncoded: false, deadCodes: [], passingCodes: [] },
}

/** What is read while the teams are answered with this status. */
function reread(status: number) {
  const send: Send = async (url) =>
    url === USER
      ? Response.json({ id: 7, name: 'Alice' })
      : Response.json(status === 200 ? { names: ['engineering'] } : {}, { status })
  return rereadMappedIdentity(RULES, new Secret('token'), {}, send)
}

describe('a user who is read again where an answer may be missing', () => {
  it('is read whole while everything is answered', async () => {
    expect(await reread(200)).toEqual({
      outcome: 'read',
      identity: { provider: 'corp', subject: '7', name: 'Alice', groups: ['engineering'] },
    })
  })

  it('is read in part while that answer is refused: what it would say is not gone (U-11)', async () => {
    expect(await reread(403)).toMatchObject({
      outcome: 'partly-read',
      identity: { subject: '7', groups: [] },
      silent: ['api'],
      unsaid: ['groups'],
    })
  })

  it('is not read while there is trouble (U-13)', async () => {
    await expect(reread(503)).rejects.toMatchObject({ effect: 'unavailable' })
  })
})
