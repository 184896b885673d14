import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Target } from './case.ts'
import { CASES } from './cases.ts'
import { CALL, RESULT } from './mcp-messages.ts'
import { CALL_HEADERS } from './measures/calls.ts'
import { startCases, withBench } from './setup.ts'
import { startStreamUpstream } from './upstream/stream.ts'

const UNCHECKED = new Set(['direct', 'nginx'])

test('every case of the benchmark passes calls on, and those with a check refuse a token that is not theirs', {
  timeout: 60_000,
}, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'bench-cases-'))
  try {
    const place = { directory, proxyCore: undefined, restCore: undefined }
    await withBench(place, startStreamUpstream, async (bench) => {
      const missing: string[] = []
      const targets = await startCases(bench, CASES, ({ name }) => missing.push(name))
      expect([...targets.keys(), ...missing].toSorted()).toEqual(CASES.map(({ name }) => name).toSorted())
      expect(missing.filter((name) => name !== 'nginx' && name !== 'workers')).toEqual([])
      for (const [name, target] of targets) {
        const [first] = target.tokens
        for (const token of [first, first, target.tokens.at(-1) ?? first]) {
          expect(await call(target, token), name).toEqual({ status: 200, text: RESULT })
        }
        if (UNCHECKED.has(name)) continue
        const stranger = `${first.slice(0, -8)}${'A'.repeat(8)}`
        expect(await call(target, stranger), name).toMatchObject({ status: 401 })
      }
      // By the time a token comes round again the gateway must have forgotten it.
      expect(targets.get('uncached')?.tokens.length).toBeGreaterThan(10_000)
    })
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})

async function call({ url }: Target, token: string): Promise<{ status: number; text: string }> {
  const headers = { ...CALL_HEADERS, authorization: `Bearer ${token}` }
  const answer = await fetch(url, { method: 'POST', headers, body: CALL })
  return { status: answer.status, text: await answer.text() }
}
