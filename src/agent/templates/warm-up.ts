/**
 * What a machine goes through before it is frozen: all that its clones will do first, with keys that are thrown away,
 * so that what they touch is in memory; then it forgets who it was. Clones of a machine that never logged anybody in
 * take twice as long to their first login.
 *
 *   the whole ready sequence ─► what jobs run first ─► link down ─► kit: forget ─► judged: no key, no id
 */
import { z } from 'zod'
import { type ImageManifest, type MachineId, SlipwayError } from '../../model/index.ts'
import type { Clone } from '../drivers/driver.ts'
import { KIT_PATH } from '../kit.ts'
import { makeReady, type ReadyPorts } from '../ready.ts'

const deadlinesMs = { programs: 120_000, link: 10_000, forget: 60_000 } as const
/** As a frozen machine is called; its clones have names of their own. */
const NAME = 'template'
/** What a runner's first scripts call, read into memory; a guest without them is as warm as it can be. */
const PROGRAMS =
  'for p in bash sh env git git-lfs curl tar gzip unzip sed grep awk find cat mkdir rm chmod ls id uname gitlab-runner; ' +
  'do $p --version; done >/dev/null 2>&1 </dev/null; git ls-remote /nowhere >/dev/null 2>&1; true'

export interface WarmUp {
  readonly clone: Clone
  readonly image: ImageManifest
  readonly tools: boolean
  readonly bootMs: number
  readonly step: (name: string) => void
  readonly signal: AbortSignal
}

/** Throws what the ready sequence throws, and `guest_misbehaved` for a guest that keeps something of itself. */
export async function warmUp(ports: ReadyPorts, request: WarmUp): Promise<void> {
  const { clone, image, signal, step } = request
  const { machine } = clone
  const guest = ports.driver.guest(machine)
  await makeReady(ports, { ...request, user: image.user })
  const programs = { stdin: '', signal, deadlineMs: deadlinesMs.programs }
  await guest.exec('/bin/sh', ['-c', PROGRAMS], programs).catch((error: unknown) => {
    if (!(error instanceof SlipwayError) || error.code !== 'guest_misbehaved') throw error
  })
  step('programs')
  await ports.driver.link(machine, 'down', { signal })
  const stdin = `hostname=${NAME}\nforget=all\nuser=${image.user}\n`
  const { exitCode, stdout } = await guest.exec(KIT_PATH, [], {
    stdin,
    signal,
    deadlineMs: deadlinesMs.forget,
  })
  judgeForgotten(machine, exitCode, stdout)
  step('forgotten')
}

const forgotten = z.object({
  ok: z.literal(true),
  machineId: z.literal(''),
  hostname: z.literal(NAME),
  hostKey: z.undefined().optional(),
})
const refused = z.object({ ok: z.literal(false), step: z.string(), message: z.string() })

function judgeForgotten(machine: MachineId, exitCode: number, stdout: string): void {
  const reply = parse(stdout)
  if (exitCode === 0 && forgotten.safeParse(reply).success) return
  const failure = refused.safeParse(reply)
  const what = failure.success
    ? `that it cannot forget: ${failure.data.step}: ${failure.data.message}`.slice(0, 200)
    : 'that it still knows who it is'
  throw new SlipwayError('guest_misbehaved', { machine, what })
}

function parse(stdout: string): unknown {
  try {
    return JSON.parse(stdout)
  } catch {
    return undefined
  }
}
