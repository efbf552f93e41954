import type { Client } from '../api/index.ts'

/** What the machine in the making that a lease most likely gets has reached; only the operator may look. */
export async function lastStep(
  client: Client,
  flavor: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const answer = await client.call('machineList', { signal }).catch(() => undefined)
  const machine = answer?.machines.find(({ state, spec }) => state === 'creating' && spec.flavor === flavor)
  const step = machine?.timeline.at(-1)
  return machine && step && `machine ${machine.machine}: ${step.step} at ${Math.round(step.atMs)} ms`
}
