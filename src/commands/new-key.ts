import { newEncryptionKey } from '../domain/encryption-key.ts'

/** `gatehouse new-key`: prints a fresh encryption key. Resolves to the exit code. */
export async function newKey(): Promise<number> {
  process.stdout.write(`${newEncryptionKey().reveal()}\n`)
  return 0
}
