/** A real coordinator, its database outliving it: killed between any two of its effects, started anew on what is left. */
import { createHash } from 'node:crypto'
import type { FromAgent, FromCoordinator, LeaseView, Reply } from '../../src/api/index.ts'
import { Coordinator, type Ids, type Log, openStore, type Store } from '../../src/coordinator/index.ts'
import type { Token } from '../../src/coordinator/store/tokens.ts'
import {
  type Clock,
  type Flavor,
  type HostId,
  type MachineId,
  parseId,
  SlipwayError,
} from '../../src/model/index.ts'
import type { End } from './connection.ts'
import type { Evidence } from './evidence.ts'
import type { Calls } from './front.ts'
import { Killed, Life } from './life.ts'

export interface CoordinatorWorld {
  readonly clock: Clock
  readonly database: Store
  readonly flavors: readonly Flavor[]
  readonly ulid: () => string
  readonly see: (evidence: Evidence) => void
  readonly log: (text: string) => void
  readonly broke: (error: unknown) => void
}

export const openDatabase = (ulid: () => string): Store =>
  openStore({ dir: ':memory:', makeId: () => parseId('DatabaseId', `d-${ulid()}`) })

/** A runner's token, made before the first coordinator starts. */
export function addRunner(
  database: Store,
  { token, ...runner }: Pick<Token, 'runner' | 'trustDomain' | 'createdAtMs'> & { readonly token: string },
): void {
  const hash = createHash('sha256').update(token).digest()
  database.addToken({ ...runner, flavors: ['*'], images: ['*'], leasesMax: 10 }, hash)
}

/** One life of a coordinator's process. */
export class CoordinatorProcess {
  readonly life = new Life()
  readonly #world: CoordinatorWorld
  readonly #coordinator: Coordinator | undefined

  constructor(world: CoordinatorWorld) {
    const { life } = this
    this.#world = world
    this.#coordinator = this.#guard(
      () =>
        new Coordinator(
          {
            store: mortalStore(world, life),
            clock: guardedClock(life.clock(world.clock), (task) => this.#guard(task)),
            ids: idsFrom(world.ulid),
            log: logTo(world, life),
          },
          { version: '0', flavors: world.flavors },
        ),
    )
  }

  /** Its end of an agent's connection. */
  attach(host: HostId, send: (frame: FromCoordinator) => void, close: () => void): End<FromAgent> {
    const { life } = this
    const session = this.#coordinator?.agentConnected({
      send: (frame) =>
        life.now(() => {
          if (frame.type === 'wanted') this.#world.see({ kind: 'wanted', host, frame })
          send(frame)
        }),
      close: () => life.now(close),
    })
    return {
      receive: (frame) =>
        this.#guard(() => {
          if (!life.moment()) return
          if (frame.type !== 'answer') this.#world.see({ kind: 'reported', host, frame })
          session?.receive(frame)
        }),
      closed: () => this.#guard(() => life.moment() && session?.closed()),
    }
  }

  /** What a front's token lets it call; the answers are evidence. */
  calls(token: string): Calls {
    const { see } = this.#world
    const signal = new AbortController().signal
    return {
      ask: (body) => this.#call('ask', 0, (it) => this.#heard(it.ask(it.caller(token), body))),
      get: (name, { waitMs, state }) =>
        this.#call('get', waitMs, async (it) => {
          const caller = it.caller(token)
          this.#heard(it.get(caller, name))
          return this.#heard(await it.wait(caller, name, { state, waitMs, signal }))
        }),
      heartbeat: (name) =>
        this.#call('heartbeat', 0, (it) => this.#heard(it.heartbeat(it.caller(token), name))),
      release: (name) => this.#call('release', 0, (it) => it.release(it.caller(token), name)),
      access: (name) =>
        this.#call('access', 0, (it) => {
          it.access(it.caller(token), name)
          const lease = it.get(it.caller(token), name)
          if (lease.machine !== undefined) see({ kind: 'shown', lease: lease.id, machine: lease.machine })
          return lease
        }),
    }
  }

  /** The front was told that its lease lives: from now on it may count on the whole time to live. */
  #heard(lease: LeaseView): LeaseView {
    const { id, state, ttlMs } = lease
    if (state !== 'ended') this.#world.see({ kind: 'heard', lease: id, ttlMs })
    return lease
  }

  /** The operator removes a machine; he may be too late. */
  removeMachine(machine: MachineId): void {
    this.#guard(() => {
      try {
        this.#coordinator?.removeMachine(machine)
      } catch (error) {
        if (!(error instanceof SlipwayError)) throw error
      }
    })
  }

  async audit(): Promise<Reply<'audit'>['hosts']> {
    return (await this.#coordinator?.inventory.audit()) ?? []
  }

  /** As over a socket: a call is lost with the process that was to answer it. */
  async #call(
    call: string,
    waitMs: number,
    task: (coordinator: Coordinator) => LeaseView | Promise<LeaseView>,
  ): Promise<LeaseView> {
    const { clock, see } = this.#world
    const startMs = clock.now()
    const late = (): number => clock.now() - startMs - waitMs
    const gone = this.#gone()
    try {
      if (!this.#coordinator || !this.life.moment()) return await gone
      const lease = await Promise.race([task(this.#coordinator), gone])
      see({ kind: 'answered', call, lateMs: late(), lease })
      return lease
    } catch (error) {
      if (!this.life.alive || error instanceof Killed) return await gone
      if (error instanceof SlipwayError)
        see({ kind: 'answered', call, lateMs: late(), failure: error.failure })
      else see({ kind: 'answered', call, lateMs: late(), bug: String(error) })
      throw error
    }
  }

  /** Rejects when the process dies. */
  #gone(): Promise<never> {
    const { end } = this.life
    const gone = new Promise<never>((_, reject) => {
      const unreachable = (): void => reject(new SlipwayError('unreachable', { socket: 'simulated' }))
      if (end.aborted) unreachable()
      else end.addEventListener('abort', unreachable, { once: true })
    })
    gone.catch(() => {})
    return gone
  }

  /** What a process would die of; being killed is no bug of its own. */
  #guard<T>(task: () => T): T | undefined {
    try {
      return task()
    } catch (error) {
      if (!(error instanceof Killed) && this.life.alive) {
        this.life.kill()
        this.#world.broke(error)
      }
      return undefined
    }
  }
}

/** A task of a timer that throws ends the process, as it would end a real one. */
const guardedClock = (clock: Clock, guard: (task: () => void) => void): Clock => ({
  ...clock,
  after: (delayMs, task) => clock.after(delayMs, () => guard(task)),
})

function mortalStore({ database, see }: CoordinatorWorld, life: Life): Store {
  return {
    database: database.database,
    beginEpoch: () =>
      life.now(() => {
        const epoch = database.beginEpoch()
        see({ kind: 'epoch', epoch })
        return epoch
      }),
    commit: (changes) =>
      life.now(() => {
        database.commit(changes)
        see({ kind: 'committed', changes })
      }),
    liveLeases: (aliveAtMs) => life.now(() => database.liveLeases(aliveAtMs)),
    endedLeases: (filter) => life.now(() => database.endedLeases(filter)),
    asked: (sinceMs) => life.now(() => database.asked(sinceMs)),
    ownerOf: (mark) => life.now(() => database.ownerOf(mark)),
    served: () => life.now(() => database.served()),
    prune: (nowWallMs) => life.now(() => database.prune(nowWallMs)),
    tokens: () => life.now(() => database.tokens()),
    addToken: (token, hash) => life.now(() => database.addToken(token, hash)),
    removeToken: (runner) => life.now(() => database.removeToken(runner)),
    close: () => {},
  }
}

const idsFrom = (ulid: () => string): Ids => ({
  machine: () => parseId('MachineId', `m-${ulid()}`),
  reservation: () => parseId('ReservationId', `r-${ulid()}`),
  lease: () => parseId('LeaseId', `l-${ulid()}`),
  database: () => parseId('DatabaseId', `d-${ulid()}`),
  nonce: ulid,
  token: () => `slw_${ulid()}`,
})

function logTo({ log }: CoordinatorWorld, life: Life): Log {
  const write = (level: string) => (fields: object, message: string) => {
    if (life.alive) log(`${level} ${message} ${JSON.stringify(fields)}`)
  }
  return { info: write('info'), warn: write('warn'), error: write('error') }
}
