/** Hosts that fail to make machines rest for a while, longer each time, so that no broken image keeps a host busy. */
import type { Failure, HostId, MachineSpec } from '../model/index.ts'
import type { HeldMachine, Trouble } from './plan/index.ts'

/** The first rest; doubled with each further failure. */
const REST_MS = 1_000
const REST_MS_MAX = 60_000

/** Failures are counted per host, flavor and image: whose fault it is cannot be told apart any finer. */
export const troubleKey = (host: HostId, spec: MachineSpec): string => `${host} ${spec.flavor} ${spec.image}`

/** The trouble after one more failure. Machines that were in the making together fail as one. */
export function afterFailure(
  known: Trouble | undefined,
  machine: HeldMachine,
  { failure, now }: { readonly failure: Failure; readonly now: number },
): Trouble {
  const sameWave = known !== undefined && machine.namedAtMs < known.lastAtMs
  const failures = (known?.failures ?? 0) + (sameWave ? 0 : 1)
  const { flavor, image } = machine.spec
  return {
    host: machine.host,
    flavor,
    image,
    failures,
    lastAtMs: now,
    untilMs: now + Math.min(REST_MS_MAX, REST_MS * 2 ** (failures - 1)),
    failure,
  }
}
