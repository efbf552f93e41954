/**
 * What a machine goes through before it is frozen: all that its clones will do first, with keys that are thrown away,
 * so that what they touch is in memory; then it forgets who it was. Clones of a machine that never logged anybody in
 * take twice as long to their first login.
 *
 *   the whole ready sequence ─► what jobs run first ─► link down ─► kit: forget, hold the door ─► judged: no key, no id
 */
import { type ImageManifest, type MachineId, SlipwayError } from '../../model/index.ts'
import type { Clone, GuestChannel } from '../drivers/driver.ts'
import { judgeForgotten } from '../kit.ts'
import { makeReady, type ReadyPorts } from '../ready.ts'

const deadlinesMs = { programs: 120_000, link: 10_000, forget: 60_000 } as const
/** As a frozen machine is called; its clones have names of their own. */
const NAME = 'template'
/** What a runner's first scripts call, read into memory; a guest without them is as warm as it can be. */
const PROGRAMS =
  'for p in bash sh env git git-lfs curl tar gzip unzip sed grep awk find cat mkdir rm chmod ls id uname gitlab-runner; ' +
  'do $p --version; done >/dev/null 2>&1 </dev/null; git ls-remote /nowhere >/dev/null 2>&1; ' +
  // What an image would have its clones find in memory besides.
  '[ ! -x /usr/local/sbin/slipway-warm ] || /usr/local/sbin/slipway-warm >/dev/null 2>&1 </dev/null; true'

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
  // The kit answers before the guest agent does.
  await guest.sync(programs)
  await guest.exec('/bin/sh', ['-c', PROGRAMS], programs).catch((error: unknown) => {
    if (!(error instanceof SlipwayError) || error.code !== 'guest_misbehaved') throw error
  })
  step('programs')
  await ports.driver.link(machine, 'down', { signal })
  await forget(guest, { machine, image, signal })
  step('forgotten')
}

interface Forgetting {
  readonly machine: MachineId
  readonly image: Pick<ImageManifest, 'user'>
  readonly signal: AbortSignal
}

/** A guest that has nothing to forget is none the worse for it, and faster the next time it is asked for anything. */
export async function forget(guest: GuestChannel, { machine, image, signal }: Forgetting): Promise<void> {
  const request = `hostname=${NAME}\nforget=all\ndoor=hold\nuser=${image.user}\n`
  judgeForgotten(machine, NAME, await guest.ask(request, { signal, deadlineMs: deadlinesMs.forget }))
}
