/** The guest-agent channel of a simulated machine, with deadlines as a real one has them. */
import { type MachineId, SlipwayError, sleep } from '../../../model/index.ts'
import type { GuestChannel } from '../driver.ts'
import { resourceName } from '../resource-name.ts'
import type { Act } from './effects.ts'
import { type ExecResult, KIT_PATH, runInGuest, type VirtualGuest } from './guest.ts'
import type { VirtualDomain } from './host.ts'
import type { SimulatedOptions } from './options.ts'

/** What a program may print before its machine is called broken. */
export const OUTPUT_BYTES_MAX = 1024 * 1024

export function channelTo(options: SimulatedOptions, act: Act, machine: MachineId): GuestChannel {
  const { host, clock } = options
  const name = resourceName(host.id, machine)

  const domain = (): VirtualDomain => {
    const found = host.get('domain', name)
    if (found?.state === 'running') return found
    const detail = 'its guest does not run'
    throw new SlipwayError('hypervisor_refused', { action: 'speak to the guest of', object: machine, detail })
  }
  const speak = async <T>(
    effect: 'sync' | 'exec',
    { signal, deadlineMs }: { readonly signal: AbortSignal; readonly deadlineMs: number },
    happen: () => T,
  ): Promise<T> => {
    const late = new AbortController()
    const both = AbortSignal.any([signal, late.signal])
    const cancel = clock.after(deadlineMs, () =>
      late.abort(new SlipwayError('guest_silent', { machine, deadlineMs })),
    )
    try {
      const { guest } = domain()
      if (guest.behaviour === 'silent') await sleep(clock, 2 * deadlineMs, both)
      if (!guest.booted) await act('boot', machine, () => boot(guest), both)
      return await act(effect, machine, happen, both)
    } finally {
      cancel()
    }
  }

  return {
    ask: (request, deadline) =>
      speak(request === '' ? 'sync' : 'exec', deadline, () => {
        const { guest } = domain()
        if (request !== '') endMidway(options, name, guest)
        domain()
        const { stdout } = bounded(
          machine,
          runInGuest(guest, { path: KIT_PATH, args: [], stdin: request, wallMs: clock.wall() }),
        )
        return stdout.split('\n')[0] ?? ''
      }),
    sync: (deadline) => speak('sync', deadline, () => void domain()),
    exec: (path, args, { stdin, ...deadline }) =>
      speak('exec', deadline, () => {
        const { guest } = domain()
        endMidway(options, name, guest)
        domain()
        return bounded(machine, runInGuest(guest, { path, args, stdin, wallMs: clock.wall() }))
      }),
  }
}

function endMidway({ host }: SimulatedOptions, name: string, guest: VirtualGuest): void {
  if (guest.behaviour === 'stops') host.endGuest(name, 'stopped', 'the guest powered itself off')
  if (guest.behaviour === 'crashes') host.endGuest(name, 'crashed', 'the emulator died')
}

function bounded(machine: MachineId, result: ExecResult): ExecResult {
  if (result.stdout.length + result.stderr.length <= OUTPUT_BYTES_MAX) return result
  throw new SlipwayError('guest_misbehaved', { machine, what: `more than ${OUTPUT_BYTES_MAX} bytes` })
}

function boot(guest: VirtualGuest): void {
  guest.booted = true
}
