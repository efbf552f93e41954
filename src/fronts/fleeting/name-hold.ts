/** The name of a group, held at the coordinator for as long as this plugin lives: a second plugin is refused it. */
import type { Client } from '../../api/index.ts'
import { type Clock, SlipwayError, sleep } from '../../model/index.ts'
import { AWAY, steady } from './steady.ts'

export interface NameHold {
  readonly client: Client
  readonly clock: Clock
  readonly group: string
  /** Names this process. */
  readonly holder: string
}

/** A predecessor whose runner was killed ends within a second; a coordinator that has just started takes three. */
const PREDECESSOR_MS = 8_000
const CALL_MS = 30_000
const RETRY_MS = 1_000

/** Takes the name; throws `group_held` when somebody lives who has it. */
export async function takeName(
  { client, clock, group, holder }: NameHold,
  signal: AbortSignal,
): Promise<void> {
  const passing = new Set([...AWAY, 'group_held' as const])
  await steady(client, { clock, patienceMs: PREDECESSOR_MS, passing }).call('groupHold', {
    params: { group },
    body: { holder, again: false, waitMs: 0 },
    signal,
  })
}

/** Keeps the name until `signal` aborts; throws `group_held` when another has it all the same. */
export async function keepName(
  { client, clock, group, holder }: NameHold,
  signal: AbortSignal,
): Promise<never> {
  const body = { holder, again: true, waitMs: CALL_MS }
  for (;;) {
    try {
      await client.call('groupHold', { params: { group }, body, signal })
    } catch (error) {
      if (signal.aborted || !(error instanceof SlipwayError) || error.code === 'group_held') throw error
      await sleep(clock, RETRY_MS, signal)
    }
  }
}
