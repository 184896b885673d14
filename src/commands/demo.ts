import { runDemo } from '../demo/demo.ts'
import { orCannotStart } from './cannot-start.ts'

/** `gatehouse demo`. Resolves to the exit code. */
export async function demo(): Promise<number> {
  return orCannotStart(async () => {
    await runDemo()
    return 0
  })
}
