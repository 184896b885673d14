import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { executableOf, findBroughtNode, markReady, writeManifest } from '../../scripts/brought-node.mjs'
import { chooseNode, isNewEnough, nodePackageFor, readCommand } from '../../scripts/node-choice.mjs'

const LAUNCHER = fileURLToPath(new URL('../../scripts/with-node.mjs', import.meta.url))
const MANIFEST = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))

describe('which Node is new enough', () => {
  test.each(['v22.19.0', '22.20.1', 'v24.0.0', 'v26.10.0', '100.0.0'])('%s is', (version) => {
    expect(isNewEnough(version)).toBe(true)
  })

  test.each(['v18.20.8', 'v20.20.2', 'v22.18.0', 'v22.9.0', '', 'nonsense', '24'])('"%s" is not', (version) => {
    expect(isNewEnough(version)).toBe(false)
  })

  test('package.json engines says the same', () => {
    expect(MANIFEST.engines.node).toBe('>=22.19.0')
  })
})

describe('which Node runs the program', () => {
  const old = { execPath: '/usr/bin/node', version: 'v20.20.2' }
  const current = { execPath: '/usr/bin/node', version: 'v26.10.0' }
  const brought = { execPath: '/checkout/.node/bin/node', version: '26.12.1' }

  test('the current one where it suffices, whatever the checkout has brought', () => {
    expect(chooseNode(current, undefined)).toEqual({ execPath: current.execPath })
    expect(chooseNode(current, brought)).toEqual({ execPath: current.execPath })
  })

  test('the one that the checkout has brought where the current one is too old', () => {
    expect(chooseNode(old, brought)).toEqual({ execPath: brought.execPath })
  })

  test('none is one line that says what is missing and what to do', () => {
    for (const brought of [undefined, old]) {
      const choice = chooseNode(old, brought)
      expect(choice).toEqual({
        refusal: expect.stringMatching(/^Gatehouse needs Node 22\.19 .* 20\.20\.2 .*"npm run prepare".*$/),
      })
    }
  })
})

describe('which package brings a Node', () => {
  test.each([
    ['linux', 'x64'],
    ['linux', 'arm64'],
    ['darwin', 'x64'],
    ['darwin', 'arm64'],
    ['win32', 'x64'],
  ])('%s %s has one, pinned by version and hash, and new enough', (platform, arch) => {
    const found = nodePackageFor({ platform, arch, musl: false })
    expect(isNewEnough(found?.version ?? '')).toBe(true)
    expect(found?.integrity).toMatch(/^sha512-[A-Za-z0-9+/]{86}==$/)
  })

  test.each([
    { platform: 'linux', arch: 'x64', musl: true },
    { platform: 'linux', arch: 's390x', musl: false },
    { platform: 'freebsd', arch: 'x64', musl: false },
  ])('$platform $arch (musl: $musl) has none', (machine) => {
    expect(nodePackageFor(machine)).toBeUndefined()
  })
})

describe('the Node that a checkout has brought', () => {
  const wanted = { name: 'node-some-platform', version: '26.12.1', integrity: 'sha512-abc', executable: 'bin/node' }
  let directory: string

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'gatehouse-node-'))
  })

  afterEach(() => rmSync(directory, { recursive: true }))

  function install(): void {
    mkdirSync(dirname(executableOf(directory, wanted)), { recursive: true })
    writeFileSync(executableOf(directory, wanted), '')
  }

  test('counts once it is complete', () => {
    expect(findBroughtNode(directory)).toBeUndefined()
    writeManifest(directory, wanted)
    install()
    markReady(directory, wanted)
    expect(findBroughtNode(directory)).toEqual({ execPath: executableOf(directory, wanted), version: '26.12.1' })
  })

  test('does not count while an installation is under way or was interrupted', () => {
    writeManifest(directory, wanted)
    install()
    expect(findBroughtNode(directory)).toBeUndefined()
    markReady(directory, wanted)
    writeManifest(directory, wanted)
    expect(findBroughtNode(directory)).toBeUndefined()
  })

  test('does not count when its executable was deleted', () => {
    writeManifest(directory, wanted)
    markReady(directory, wanted)
    expect(findBroughtNode(directory)).toBeUndefined()
  })

  test('npm is told the version and the hash', () => {
    writeManifest(directory, wanted)
    const lock = JSON.parse(readFileSync(join(directory, 'package-lock.json'), 'utf8'))
    expect(lock.packages['node_modules/node-some-platform']).toEqual({ version: '26.12.1', integrity: 'sha512-abc' })
  })
})

describe('what the launcher runs', () => {
  test.each([
    [['src/cli.ts', 'demo'], { kind: 'file', nodeArgs: ['src/cli.ts', 'demo'] }],
    [['build.mjs'], { kind: 'file', nodeArgs: ['build.mjs'] }],
    [['--watch', 'src/cli.ts'], { kind: 'file', nodeArgs: ['--watch', 'src/cli.ts'] }],
    [['vitest', 'run', 'a.ts'], { kind: 'tool', tool: 'vitest', toolArgs: ['run', 'a.ts'] }],
    [[], undefined],
  ])('%j', (args, command) => {
    expect(readCommand(args)).toEqual(command)
  })
})

describe('the launcher', () => {
  const launch = (...args: string[]) => spawnSync(process.execPath, [LAUNCHER, ...args], { encoding: 'utf8' })

  test('runs a file or a tool with its arguments, and mirrors output and exit code', () => {
    expect(launch('-e', 'process.stdout.write(process.argv[1]); process.exit(3)', 'seen')).toMatchObject({
      stdout: 'seen',
      stderr: '',
      status: 3,
    })
    expect(launch('vitest', '--version').stdout).toContain(MANIFEST.devDependencies.vitest)
  })

  test('its Node comes first on PATH for everything that the program starts', () => {
    const path = launch('-p', 'process.env.PATH').stdout.trim()
    expect(path.split(delimiter)[0]).toBe(dirname(process.execPath))
  })

  test('refuses a tool that is not there, and nothing to run, each in one line', () => {
    expect(launch('no-such-tool')).toMatchObject({
      status: 1,
      stderr: 'no-such-tool is not installed; run "npm ci".\n',
    })
    expect(launch()).toMatchObject({ status: 1, stderr: 'with-node needs a file or a tool to run.\n' })
  })

  test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
    'without a terminal it passes %s on, and waits for what the program makes of it',
    async (signal) => {
      const program = `process.on('${signal}', () => setImmediate(() => { console.log('bye'); process.exit(7) })); console.log('up'); setInterval(() => {}, 1000)`
      const child = spawn(process.execPath, [LAUNCHER, '-e', program], { stdio: ['ignore', 'pipe', 'pipe'] })
      let output = ''
      child.stdout.on('data', (chunk) => {
        output += chunk
      })
      await once(child.stdout, 'data')
      child.kill(signal)
      expect(await once(child, 'close')).toEqual([7, null])
      expect(output).toBe('up\nbye\n')
    },
  )

  test('ends the program when the shell that npm gave it is gone (npm run, then kill)', async () => {
    const program = `process.on('SIGTERM', () => { console.log('bye'); process.exit() }); console.log('up'); setInterval(() => {}, 1000)`
    // The shell stays, as npm's does, and is then killed alone.
    const shell = spawn('sh', ['-c', '"$@"; exit', 'sh', process.execPath, LAUNCHER, '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, npm_lifecycle_event: 'start' },
    })
    let output = ''
    shell.stdout.on('data', (chunk) => {
      output += chunk
    })
    await once(shell.stdout, 'data')
    shell.kill('SIGKILL')
    // The pipe closes once the last process that holds it has ended.
    await once(shell, 'close')
    expect(output).toBe('up\nbye\n')
  })

  test('dies of the signal that killed the program', async () => {
    const child = spawn(process.execPath, [LAUNCHER, '-e', 'process.kill(process.pid, "SIGKILL")'], { stdio: 'ignore' })
    expect(await once(child, 'close')).toEqual([null, 'SIGKILL'])
  })
})
