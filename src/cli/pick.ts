/** People write the start of a name. */
import type { Client, MachineView } from '../api/index.ts'
import { isId, SlipwayError } from '../model/index.ts'

/** The one name that is `written` or starts with it; throws `not_found` or `ambiguous`. */
export function pick<Name extends string>(kind: string, written: string, names: readonly Name[]): Name {
  const whole = names.find((name) => name === written)
  if (whole !== undefined) return whole
  const [found, ...more] = names.filter((name) => name.startsWith(written))
  if (found === undefined || written === '')
    throw new SlipwayError('not_found', { kind, name: written.slice(0, 80) })
  if (more.length === 0) return found
  const shown = [found, ...more].slice(0, CANDIDATES_MAX).join(', ')
  throw new SlipwayError('ambiguous', { name: written, candidates: shown })
}

/** The machine whose id starts with `written`; with or without its `m-`. */
export async function pickMachine(
  client: Client,
  written: string,
  signal: AbortSignal,
): Promise<MachineView> {
  if (isId('MachineId', written)) return client.call('machineGet', { params: { machine: written }, signal })
  const { machines } = await client.call('machineList', { signal })
  const text = written.startsWith('m-') ? written : `m-${written}`
  const name = pick(
    'machine',
    text,
    machines.map(({ machine }) => machine),
  )
  const found = machines.find(({ machine }) => machine === name)
  if (found === undefined) throw new SlipwayError('not_found', { kind: 'machine', name })
  return found
}

const CANDIDATES_MAX = 10
