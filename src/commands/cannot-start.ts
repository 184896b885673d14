import { DemoRefused } from '../demo/refused.ts'
import { StoreRefused } from '../storage/store.ts'

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the address is already in use; another gateway may be running',
  EADDRNOTAVAIL: 'this machine has no such address',
  EAFNOSUPPORT: 'this machine has no addresses of this kind',
  EINVAL: 'the system does not accept it',
  ENOTFOUND: 'this host name has no address',
  EAI_AGAIN: 'this host name has no address at the moment',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  ENOENT: 'no such file or directory',
  ENOTDIR: 'not a directory',
  EEXIST: 'not a directory',
  EISDIR: 'a directory, not a file',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
}

/**
 * Runs `start`. When the database or the demo refuses, or an address cannot be had, prints one line and resolves to exit code 2;
 * any other error is a bug and passes through.
 */
export async function orCannotStart(start: () => Promise<number>): Promise<number> {
  try {
    return await start()
  } catch (error) {
    const reason = explain(error)
    if (reason === undefined) throw error
    process.stderr.write(`gatehouse: cannot start: ${reason}\n`)
    return 2
  }
}

function explain(error: unknown): string | undefined {
  if (error instanceof StoreRefused || error instanceof DemoRefused) return error.message
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined
  const reason = REASONS[error.code]
  if (reason === undefined) return undefined
  if ('address' in error) return `listening on ${written(error)}: ${reason}`
  if ('hostname' in error) return `listening on ${error.hostname}: ${reason}`
  return 'path' in error ? `${error.path}: ${reason}; make it writable for this user, or name another file` : reason
}

/** As it stands in `listen`; Node does not name port 0. */
function written({ address, port = 0 }: { readonly address?: unknown; readonly port?: unknown }): string {
  return String(address).includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}
