import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import type { Server } from 'node:http'
import { connect, createServer } from 'node:net'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as after } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

/** Clock ticks of /proc/PID/stat per second; 100 on every Linux that Node supports. */
const TICKS_PER_SECOND = 100

/** A process under measurement or beside it. */
export interface Child {
  readonly pid: number
  readonly port: number
  stop(): Promise<void>
}

/** Children never outlive this process, however it ends. */
const alive = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of alive) child.kill('SIGTERM')
})

/** In a child: tells the parent the port. */
export function announce(server: Server): void {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('not listening on a port')
  process.stdout.write(`${JSON.stringify({ port: address.port })}\n`)
}

/** Starts `command`, on one core if given, and waits until it listens: on `port`, or on the one that it announces. */
export async function startChild(
  command: readonly [string, ...string[]],
  options: { readonly core: number | undefined; readonly port?: number; readonly env?: Record<string, string> },
): Promise<Child> {
  const [file, ...args] = pinned(command, options.core)
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...options.env } })
  alive.add(child)
  child.once('exit', () => alive.delete(child))
  let output = ''
  child.stderr.on('data', (data) => {
    output += data
  })
  const died = once(child, 'exit').then(([code]) => {
    throw new Error(`${command.join(' ')} ended with ${code}: ${output}`)
  })
  died.catch(() => {})
  const port = await Promise.race([
    died,
    options.port === undefined ? announced(child) : accepting(options.port, () => child.stdout.resume()),
  ])
  return {
    pid: child.pid ?? 0,
    port,
    async stop() {
      if (child.exitCode !== null) return
      child.kill('SIGTERM')
      const hard = setTimeout(() => child.kill('SIGKILL'), 5000)
      await once(child, 'exit')
      clearTimeout(hard)
    },
  }
}

/** Runs a TypeScript file that calls {@link announce}. */
export function startNode(file: URL, args: readonly string[], core: number | undefined): Promise<Child> {
  return startChild([process.execPath, fileURLToPath(file), ...args], { core })
}

/** CPU time of all threads of a process so far, in µs. */
export function cpuMicroseconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // utime and stime, counted from behind the command name, which can contain blanks.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return ((Number(fields[11]) + Number(fields[12])) * 1_000_000) / TICKS_PER_SECOND
}

/** A port of 127.0.0.1 that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  if (address === null || typeof address === 'string') throw new Error('no free port')
  return address.port
}

/** A program on PATH, or where Debian puts servers; undefined if there is none. */
export function onPath(name: string): string | undefined {
  const directories = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin']
  return directories.map((directory) => join(directory, name)).find((file) => existsSync(file))
}

/** `command`, kept on one core if given. */
export function pinned(
  command: readonly [string, ...string[]],
  core: number | undefined,
): readonly [string, ...string[]] {
  return core === undefined ? command : ['taskset', '-c', String(core), ...command]
}

async function announced(child: ChildProcess): Promise<number> {
  if (!child.stdout) throw new Error('no output to read')
  for await (const line of createInterface({ input: child.stdout })) {
    const port = /^\{"port":(\d+)\}$/.exec(line)?.[1]
    if (port !== undefined) return Number(port)
  }
  throw new Error('ended without saying where it listens')
}

async function accepting(port: number, discardOutput: () => void): Promise<number> {
  discardOutput()
  for (let attempt = 0; attempt < 5000; attempt += 1) {
    const socket = connect(port, '127.0.0.1')
    const open = await once(socket, 'connect').then(
      () => true,
      () => false,
    )
    socket.destroy()
    if (open) return port
    await after(2)
  }
  throw new Error(`nothing listens on port ${port}`)
}
