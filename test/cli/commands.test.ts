import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { parseEncryptionKey } from '../../src/domain/encryption-key.ts'
import { verifyPassword } from '../../src/domain/password-hash.ts'
import { Secret } from '../../src/domain/secret.ts'
import { BASE, edit, KEY } from '../config/base.ts'
import { run, workplace } from './run-cli.ts'

const places: { remove(): void }[] = []
afterEach(() => {
  for (const place of places.splice(0)) place.remove()
})

function directoryWith(files: Readonly<Record<string, string>>): string {
  const place = workplace(files)
  places.push(place)
  return place.path
}

describe('gatehouse (DESIGN 1.1)', () => {
  it('prints its usage and its version on stdout, and exits with 0', async () => {
    const help = await run(['--help'])
    expect(help).toMatchObject({ code: 0, stderr: '' })
    expect(await run(['-h'])).toEqual(help)
    for (const command of ['serve', 'demo', 'check-config', 'migrate', 'new-key', 'hash-password'])
      expect(help.stdout).toContain(`  ${command} `)
    const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
    expect(await run(['--version'])).toEqual({ code: 0, stdout: `${manifest.version}\n`, stderr: '' })
  })

  it.each([
    ['20.20.2', 1],
    ['22.18.0', 1],
    ['22.19.0', 0],
    ['24.0.0', 0],
  ])('on Node %s ends with %i, because package.json asks for 22.19', async (version, code) => {
    const pretend = `Object.defineProperty(process,'versions',{value:{...process.versions,node:'${version}'}})`
    const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(pretend)}` }
    const ended = await run(['--version'], { env })
    expect(ended.code).toBe(code)
    expect(ended.stderr).toBe(code === 0 ? '' : `gatehouse: Node ${version} is too old; install Node 22.19 or newer\n`)
  })

  it.each([
    ['no command', [], /a command is missing/],
    ['an unknown command', ['frobnicate'], /no such command/],
    ['a name of Object.prototype', ['constructor'], /no such command/],
    ['an unknown option', ['serve', '--confg', 'x'], /no option --confg/],
    ['an option of another command', ['new-key', '--config', 'x'], /takes no --config/],
    ['--config without a file', ['check-config', '--config'], /needs a file/],
  ])('refuses %s with its usage on stderr and exit code 1', async (_what, args, problem) => {
    const ended = await run(args)
    expect(ended).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(problem) })
    expect(ended.stderr).toContain('Usage: gatehouse')
  })

  it('refuses a password on the command line without repeating it', async () => {
    const ended = await run(['hash-password', 'canary-password'])
    expect(ended).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(/takes no arguments/) })
    expect(ended.stderr).not.toContain('canary-password')
  })
})

describe('gatehouse new-key', () => {
  it('prints a fresh key each time', async () => {
    const [one, other] = await Promise.all([run(['new-key']), run(['new-key'])])
    expect(one).toMatchObject({ code: 0, stdout: expect.stringMatching(/^mgh_key_[A-Za-z0-9_-]{43}\n$/), stderr: '' })
    expect(parseEncryptionKey(one.stdout)).toHaveLength(32)
    expect(other.stdout).not.toBe(one.stdout)
  })
})

describe('gatehouse hash-password', () => {
  it('hashes one line of stdin, without its line break', async () => {
    const { code, stdout } = await run(['hash-password'], { input: 'correct horse \r\nanother line\n' })
    expect(code).toBe(0)
    expect(await verifyPassword(new Secret('correct horse '), stdout.trim())).toBe(true)
  })

  it.each([
    ['nothing', '', /empty/],
    ['an empty line', '\n', /empty/],
    ['1025 characters', `${'x'.repeat(1025)}\n`, /1024 characters/],
  ])('refuses %s', async (_what, input, problem) => {
    const refused = await run(['hash-password'], { input })
    expect(refused).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(problem) })
  })
})

describe('gatehouse check-config', () => {
  it('says in one line that ./gateway.yaml is fine', async () => {
    const cwd = directoryWith({ 'gateway.yaml': BASE })
    expect(await run(['check-config'], { cwd })).toEqual({ code: 0, stdout: 'gateway.yaml is fine\n', stderr: '' })
  })

  it('prints warnings and still exits with 0', async () => {
    const cwd = directoryWith({ 'g.yaml': edit(['http://127.0.0.1:8082', 'http://mcp.example.org']) })
    const { code, stdout } = await run(['check-config', '--config', 'g.yaml'], { cwd })
    expect(code).toBe(0)
    expect(stdout).toMatch(/^g\.yaml is fine, with a warning\nwarning: routes\.\/github\.upstream is http .*\n$/)
  })

  it('prints every problem with file, line, path and fix, and exits with 1', async () => {
    const text = edit(
      ['https://mcp.example.com', 'http://mcp.example.com'],
      [KEY, 'changeme'],
      ['sign_in: home', 'sign_in: nobody'],
      ['access_ttl: 1h', `access_ttl: \${env:NOT_SET}`],
      ['consent:', 'konsent:'],
    )
    const { code, stdout, stderr } = await run(['check-config'], { cwd: directoryWith({ 'gateway.yaml': text }) })
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    const lines = stderr.split('\n')
    expect(lines.slice(0, 5).map((line) => /^gateway\.yaml:(\d+) {2}([^ ]+): .+ → .+$/.exec(line)?.slice(1))).toEqual([
      ['1', 'public_url'],
      ['9', 'encryption_keys[0]'],
      ['40', 'routes./notes.sign_in'],
      ['52', 'tokens.access_ttl'],
      ['56', 'konsent'],
    ])
    expect(lines.slice(5)).toEqual(['5 problems in gateway.yaml', ''])
    expect(stderr).not.toContain('changeme')
  })

  it('takes values from the environment and from files', async () => {
    const cwd = directoryWith({ pat: 'the-pat\n' })
    const text = edit([KEY, `\${env:GATEHOUSE_KEY}`], ['shared-pat', `\${file:${join(cwd, 'pat')}}`])
    const file = join(directoryWith({ 'gateway.yaml': text }), 'gateway.yaml')
    expect(await run(['check-config', '--config', file], { env: { GATEHOUSE_KEY: KEY } })).toMatchObject({ code: 0 })
    expect(await run(['check-config', '--config', file])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('GATEHOUSE_KEY, which is not set'),
    })
  })

  it('says that there is no file', async () => {
    expect(await run(['check-config'], { cwd: directoryWith({}) })).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^gateway\.yaml:1 {2}the file does not exist → /),
    })
  })
})
