import { type Caller, type Domain, domains, StatisticsFlag } from '../../../../libvirt/index.ts'
import { sleep, systemClock } from '../../../../model/index.ts'

const SAMPLE_MS = 1_000
/** Of one processor, all of QEMU's threads together. An idle guest takes less than half a percent. */
const IDLE_SHARE_MAX = 0.05
const IDLE_SAMPLES = 2
/** A guest that never rests is frozen nevertheless: its clones will be as busy. */
const SETTLE_MS_MAX = 60_000
const NS_PER_MS = 1e6

/**
 * Waits until the guest does next to nothing: what it has not finished when it is frozen, each of its clones finishes,
 * while a job waits.
 */
export async function settle(
  caller: Caller,
  { domain, signal }: { readonly domain: Domain; readonly signal: AbortSignal },
): Promise<void> {
  const endMs = systemClock.now() + SETTLE_MS_MAX
  let before = await cpuTimeMs(caller, domain)
  for (let idle = 0; idle < IDLE_SAMPLES && systemClock.now() < endMs; ) {
    await sleep(systemClock, SAMPLE_MS, signal)
    const after = await cpuTimeMs(caller, domain)
    idle = (after - before) / SAMPLE_MS < IDLE_SHARE_MAX ? idle + 1 : 0
    before = after
  }
}

async function cpuTimeMs(caller: Caller, { name }: Domain): Promise<number> {
  const all = await domains(caller).statistics({ flags: StatisticsFlag.cpuTotal })
  const time = all.find(({ domain }) => domain.name === name)?.values.get('cpu.time')
  return Number(time ?? 0) / NS_PER_MS
}
