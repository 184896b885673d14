import { isLoopbackHost } from '../config/network.ts'
import { FAILPOINTS, type Failpoint, type Failpoints } from '../domain/failpoint.ts'
import { fail, ok, type Result } from '../domain/result.ts'

/** Where tests want the process to end. */
export const FAILPOINT_VARIABLE = 'GATEHOUSE_FAILPOINT'

/**
 * Ends the process with SIGKILL at the point that `wanted` names: `refresh.answered`, or `refresh.answered:3` for the third
 * time that it is passed. Nothing when it is absent. Fails, with a line for people, unless the gateway is on this computer:
 * nobody may have set this by mistake where people work.
 */
export function failpointsFrom(wanted: string | undefined, publicUrl: string): Result<Failpoints | undefined, string> {
  if (wanted === undefined) return ok(undefined)
  if (!isLoopbackHost(new URL(publicUrl).hostname))
    return fail(`${FAILPOINT_VARIABLE} is for tests on this computer: public_url is not on a loopback host`)
  const [, name, count = '1'] = /^([a-z.]+)(?::([1-9][0-9]{0,5}))?$/.exec(wanted) ?? []
  if (!isFailpoint(name)) return fail(`${FAILPOINT_VARIABLE} must be one of ${FAILPOINTS.join(', ')}`)
  let left = Number(count)
  return ok((point) => {
    if (point !== name) return
    left -= 1
    if (left === 0) process.kill(process.pid, 'SIGKILL')
  })
}

function isFailpoint(name: string | undefined): name is Failpoint {
  return FAILPOINTS.some((point) => point === name)
}
