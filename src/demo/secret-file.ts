import { mkdir, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Secret } from '../domain/secret.ts'
import { DemoRefused } from './refused.ts'

const OWNER_ONLY = 0o600

/**
 * The secret kept in `file`; written there by the first call (0600, in a directory of its own with 0700), read by all
 * later ones. Rejects with DemoRefused when the file is empty or when others than its owner may read it.
 */
export async function keptSecret(file: string, fresh: () => Secret): Promise<Secret> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  try {
    const handle = await open(file, 'wx', OWNER_ONLY)
    try {
      const secret = fresh()
      await handle.writeFile(`${secret.reveal()}\n`)
      await handle.sync()
      return secret
    } finally {
      await handle.close()
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    return await readSecret(file)
  }
}

async function readSecret(file: string): Promise<Secret> {
  const handle = await open(file, 'r')
  try {
    // Whoever could read it may have read it; that is for a person to decide, not to be mended in silence.
    if (process.platform !== 'win32' && ((await handle.stat()).mode & 0o077) !== 0)
      throw new DemoRefused(
        `${file} can be read by other users. Run "chmod 600 ${file}", or delete the directory to start afresh.`,
      )
    const text = (await handle.readFile('utf8')).trim()
    if (text === '') throw new DemoRefused(`${file} is empty. Delete the directory it is in to start afresh.`)
    return new Secret(text)
  } finally {
    await handle.close()
  }
}
