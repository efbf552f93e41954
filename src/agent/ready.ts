/**
 * Unique before used (design, decision 4): from a running guest with its link down to a machine a job may have.
 *
 *   greet ─► kit: reseed, clock, ids, host key, user key, door ─► judge ─► link up ─► SSH with the pinned key
 *
 * Any failure or deadline destroys the machine; nothing is repaired. Before `link up` no frame leaves the guest.
 */
import { type Access, type Clock, type MachineId, SlipwayError, sleep } from '../model/index.ts'
import { type Deadline, withDeadline } from './deadline.ts'
import type { Clone, Driver } from './drivers/driver.ts'
import { clockBehind, type ReadClock, settleClock } from './guest-clock.ts'
import { type KeyPair, makeKeyPair } from './key-pair.ts'
import {
  ENTROPY_BYTES,
  GREETING,
  judgeAnswer,
  judgeGreeting,
  type KitAnswer,
  type KitRequest,
  kitClockInput,
  kitInput,
  MACHINE_ID_BYTES,
} from './kit.ts'
import type { Door } from './ports.ts'
import type { Unseen } from './unseen.ts'

/** How long a step may take. To greet may take a whole boot, and is the operator's to set. */
const deadlinesMs = { kit: 60_000, link: 10_000, ssh: 60_000 } as const
/** Between two tries while the SSH server comes up: one that was held before its machine was frozen takes 50 ms. */
const SSH_RETRY_MS = 20

export interface ReadyPorts {
  readonly driver: Pick<Driver, 'guest' | 'link'>
  readonly clock: Clock
  readonly random: (bytes: number) => Uint8Array
  readonly door: Door
  readonly unseen: Unseen
}

interface Patience {
  readonly signal: AbortSignal
  readonly deadlineMs: number
}

export interface ReadyRequest {
  readonly clone: Clone
  readonly user: string
  readonly tools: boolean
  readonly bootMs: number
  readonly step: (name: string) => void
  readonly signal: AbortSignal
}

/** Makes the guest unique and proves it; throws `guest_silent`, `guest_misbehaved`, `ssh_failed` and the like. */
export async function makeReady(ports: ReadyPorts, request: ReadyRequest): Promise<Access> {
  const { machine, address, port } = request.clone
  const behindMs = await greet(ports, request)
  request.step('guest')
  const pair = makeKeyPair(ports.random)
  const { hostKey, machineId, sampleHash } = await runKit(ports, request, { pair, behindMs })
  request.step('unique')
  if (!ports.unseen.add(hostKey) || !ports.unseen.add(sampleHash)) {
    throw new SlipwayError('guest_misbehaved', { machine, what: 'with a key or sample of another machine' })
  }
  const link = { clock: ports.clock, step: 'link', deadlineMs: deadlinesMs.link, signal: request.signal }
  await withDeadline(link, (signal) => ports.driver.link(machine, 'up', { signal }))
  request.step('link')
  const marks = { machineId, hostname: machine, sample: sampleHash }
  const access: Access = { address, port, user: request.user, hostKey, privateKey: pair.privateKey, marks }
  await knock(ports, machine, access, request.signal)
  request.step('ssh')
  return access
}

/** Waits for the guest's kit to answer at all, and takes the time of its clock by the way. */
const greet = (ports: ReadyPorts, { clone, bootMs, signal }: ReadyRequest): Promise<number> =>
  orSilent(clone.machine, { clock: ports.clock, step: 'guest', deadlineMs: bootMs, signal }, (inner) =>
    clockBehind(ports.clock, readClock(ports, clone.machine, { signal: inner, deadlineMs: bootMs })),
  )

const readClock =
  ({ driver }: ReadyPorts, machine: MachineId, patience: Patience): ReadClock =>
  async () =>
    judgeGreeting(machine, await driver.guest(machine).ask(GREETING, patience))

interface Identity {
  readonly pair: KeyPair
  /** How far the guest's clock is behind. */
  readonly behindMs: number
}

async function runKit(
  ports: ReadyPorts,
  { clone, user, tools, signal }: ReadyRequest,
  { pair, behindMs }: Identity,
): Promise<KitAnswer> {
  const { machine } = clone
  const { clock, driver } = ports
  const deadlineMs = deadlinesMs.kit
  const asked: KitRequest = {
    clockShiftMs: behindMs,
    entropy: ports.random(ENTROPY_BYTES),
    salt: ports.unseen.salt,
    machineId: Buffer.from(ports.random(MACHINE_ID_BYTES)).toString('hex'),
    hostname: machine,
    authorizedKey: pair.publicLine,
    user,
    tools,
  }
  return orSilent(machine, { clock, step: 'kit', deadlineMs, signal }, async (inner) => {
    const patience = { signal: inner, deadlineMs }
    const ask = (request: string) => driver.guest(machine).ask(request, patience)
    const answer = judgeAnswer({ machine, request: asked, line: await ask(kitInput(asked)) })
    await settleClock(clock, {
      machine,
      read: readClock(ports, machine, patience),
      shift: async (byMs) => void (await ask(kitClockInput(byMs))),
      behindMs: clock.wall() - answer.clockMs,
    })
    return answer
  })
}

/** A guest that is late is silent, whoever noticed first. */
async function orSilent<T>(
  machine: MachineId,
  deadline: Deadline,
  task: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  try {
    return await withDeadline(deadline, task)
  } catch (cause) {
    if (!(cause instanceof SlipwayError) || cause.code !== 'timed_out') throw cause
    throw new SlipwayError('guest_silent', { machine, deadlineMs: deadline.deadlineMs }, { cause })
  }
}

/** Tries until the server is up; the last failure says more than the deadline. A wrong host key ends it at once. */
async function knock(
  ports: ReadyPorts,
  machine: MachineId,
  access: Access,
  signal: AbortSignal,
): Promise<void> {
  const deadlineMs = deadlinesMs.ssh
  let last: unknown
  const tries = async (inner: AbortSignal): Promise<void> => {
    for (;;) {
      try {
        return await ports.door(access, { machine, signal: inner, deadlineMs })
      } catch (error) {
        if (inner.aborted || !(error instanceof SlipwayError) || error.code !== 'ssh_failed') throw error
        last = error
      }
      await sleep(ports.clock, SSH_RETRY_MS, inner)
    }
  }
  try {
    await withDeadline({ clock: ports.clock, step: 'ssh', deadlineMs, signal }, tries)
  } catch (error) {
    throw error instanceof SlipwayError && error.code === 'timed_out' ? (last ?? error) : error
  }
}
