import { type Caller, type Domain, domains, type QemuCommand, qemu } from '../../../../libvirt/index.ts'
import { SlipwayError, sleep, systemClock } from '../../../../model/index.ts'
import type { Template } from '../../driver.ts'
import { asking } from '../refusal.ts'

/**
 * A running machine's state to a file, and from a file into a fresh QEMU that waits for one. By QEMU's monitor: libvirt
 * has no words for a memory that stays where it is.
 */
export interface Migration {
  readonly caller: Caller
  readonly domain: Domain
  readonly mode: Template['mode']
  /** Of the state; made beforehand by us and the machine's own, or nobody's to write. */
  readonly file: string
  readonly signal: AbortSignal
}

/** Memory left out (it is in the template's own file), or laid out in the file page by page and copied by two threads. */
const CAPABILITIES: Readonly<Record<Template['mode'], readonly string[]>> = {
  'shared-memory': ['x-ignore-shared'],
  'mapped-ram': ['mapped-ram', 'multifd'],
}
const THREADS = 2
/** QEMU's own default is 128 MiB/s. */
const BYTES_PER_SECOND_MAX = 1024 ** 4
const FREEZE_MS_MAX = 10 * 60_000
const THAW_MS_MAX = 60_000
const POLL_FIRST_MS = 2
const POLL_MAX_MS = 100
const POLL_GROWTH = 1.5

/** Stops the guest for good and writes its state. */
export async function freeze(migration: Migration): Promise<void> {
  const { caller, domain, mode, file, signal } = migration
  await asking({ action: 'pause', object: domain.name }, domains(caller).suspend(domain, { signal }))
  await configure(migration)
  const limits = { 'max-bandwidth': BYTES_PER_SECOND_MAX, ...threads(mode) }
  await ask(migration, { execute: 'migrate-set-parameters', arguments: limits })
  await ask(migration, { execute: 'migrate', arguments: { uri: `file:${file}` } })
  await completed(migration, 'freeze', FREEZE_MS_MAX)
}

/** Reads the state; the guest stays paused. */
export async function thaw(migration: Migration): Promise<void> {
  await configure(migration)
  // Nobody has to learn where the card is now: its namespace is new. Told to, the guest would announce itself.
  const parameters = { 'announce-rounds': 0, ...threads(migration.mode) }
  await ask(migration, { execute: 'migrate-set-parameters', arguments: parameters })
  await ask(migration, { execute: 'migrate-incoming', arguments: { uri: `file:${migration.file}` } })
  await completed(migration, 'wake', THAW_MS_MAX)
}

const threads = (mode: Template['mode']): Readonly<Record<string, number>> =>
  mode === 'mapped-ram' ? { 'multifd-channels': THREADS } : {}

const configure = (migration: Migration): Promise<unknown> =>
  ask(migration, {
    execute: 'migrate-set-capabilities',
    arguments: {
      capabilities: CAPABILITIES[migration.mode].map((capability) => ({ capability, state: true })),
    },
  })

async function completed(migration: Migration, action: string, deadlineMs: number): Promise<void> {
  const endMs = systemClock.now() + deadlineMs
  for (let pauseMs = POLL_FIRST_MS; ; pauseMs = Math.min(pauseMs * POLL_GROWTH, POLL_MAX_MS)) {
    const reply = await ask(migration, { execute: 'query-migrate' })
    const { status, 'error-desc': detail } = reply as Readonly<Record<string, unknown>>
    if (status === 'completed') return
    if (status === 'failed' || status === 'cancelled')
      throw refused(migration, action, String(detail ?? status))
    if (systemClock.now() > endMs) throw new SlipwayError('timed_out', { step: action, deadlineMs })
    await sleep(systemClock, pauseMs, migration.signal)
  }
}

function ask({ caller, domain, signal }: Migration, command: QemuCommand): Promise<unknown> {
  return asking(
    { action: command.execute, object: domain.name },
    qemu(caller).monitor(domain, command, { signal }),
  )
}

const refused = ({ domain }: Migration, action: string, detail: string): SlipwayError =>
  new SlipwayError('hypervisor_refused', { action, object: domain.name, detail: detail.slice(0, 300) })
