/** A lease as a front has one, timed: from its request to the first command that its machine ran for it. */
import { setTimeout as wait } from 'node:timers/promises'
import type { Client } from '../src/api/index.ts'
import { type Access, parseId, Secret } from '../src/model/index.ts'
import { login } from './raw-guest.ts'

export interface Timed {
  /** Until the answer with the way in, ms since the request. */
  readonly grantedMs: number
  /** Until `true` had run by SSH. */
  readonly sshMs: number
  /** Until the guest ran, whatever came after; absent where the machine was there before. */
  readonly resumedMs: number | undefined
  /** Until the guest's kit answered a greeting. */
  readonly answeredMs: number | undefined
  /** Until the agent itself had run `true` by SSH, with the pinned key. */
  readonly readyMs: number | undefined
  /** Of the machine's timeline, ms from when its host heard of it. */
  readonly steps: ReadonlyMap<string, number>
}

const LEASE_MS = 300_000
const WAIT_MS = 60_000
let asked = 0

/** Asks, logs in, runs `use` with the way in, releases. Throws unless a machine is granted. */
export async function timedLease(
  client: Client,
  flavor: string,
  use: (access: Access) => Promise<void> = async () => {},
): Promise<Timed> {
  const name = parseId('LeaseName', `bench-${process.pid}-${asked++}`)
  const params = { lease: name }
  const startMs = performance.now()
  const body = { name, flavor: parseId('FlavorName', flavor), ttlMs: LEASE_MS }
  let lease = await client.call('leaseAsk', { body })
  while (lease.state === 'waiting' && performance.now() - startMs < LEASE_MS)
    lease = await client.call('leaseGet', { params, query: { waitMs: WAIT_MS, state: 'waiting' } })
  if (lease.state !== 'granted')
    throw new Error(`no machine: ${JSON.stringify(lease.failure ?? lease.waiting)}`)
  const shown = await client.call('leaseAccess', { params })
  const grantedMs = performance.now() - startMs
  const access: Access = { ...shown, privateKey: new Secret(shown.privateKey) }
  await login(access, AbortSignal.timeout(WAIT_MS))
  const sshMs = performance.now() - startMs
  await use(access)
  await client.call('leaseRelease', { params })
  const at = new Map((lease.timeline ?? []).map(({ step, atMs }) => [step, atMs]))
  // The agent counts from when it heard of the machine: what lies between its steps is counted back from the grant.
  const since = (step: string): number | undefined => {
    const [then, end] = [at.get(step), at.get('ready')]
    return then === undefined || end === undefined ? undefined : grantedMs - (end - then)
  }
  const [resumedMs, answeredMs, readyMs] = ['started', 'guest', 'ready'].map(since)
  return { grantedMs, sshMs, resumedMs, answeredMs, readyMs, steps: at }
}

/** Until all machines that are there are ready ones, as many as shall be idle. */
export async function untilSettled(client: Client, idle: number): Promise<void> {
  for (;;) {
    const { machines } = await client.call('machineList', {})
    if (machines.length === idle && machines.every(({ state }) => state === 'ready')) return
    await wait(SETTLE_POLL_MS)
  }
}

const SETTLE_POLL_MS = 50
