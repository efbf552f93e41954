import { type MachineId, SlipwayError, sleep } from '../../../model/index.ts'
import { EFFECT_MS, type Effect, type SimulatedOptions } from './options.ts'

/** Lets `effect` take its time, then fail if it is to fail, then happen all at once. */
export type Act = <T>(
  effect: Effect,
  machine: MachineId | undefined,
  happen: () => T,
  signal?: AbortSignal,
) => Promise<T>

/** The one place where a simulated host's time passes. A killed process's clock never fires: nothing happens after. */
export function effectsOf(options: SimulatedOptions): Act {
  return async (effect, machine, happen, signal) => {
    const [minMs, maxMs] = EFFECT_MS[effect]
    const durationMs = (minMs + options.random() * (maxMs - minMs)) * (options.pace ?? 1)
    await sleep(options.clock, durationMs, signal)
    if (!options.host.hypervisorUp) {
      throw new SlipwayError('hypervisor_down', { detail: 'the simulated hypervisor is down', log: 'none' })
    }
    const fault = options.fault?.(effect, machine)
    if (fault !== undefined) throw fault
    return happen()
  }
}
