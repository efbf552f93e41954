/** The making of one machine, from nothing to ready, straight through. Undoing it is the caller's: `driver.destroy`. */
import type {
  Access,
  ImageManifest,
  MachineId,
  MachineSpec,
  TemplateId,
  TimelineStep,
} from '../model/index.ts'
import { SlipwayError } from '../model/index.ts'
import { endedWithin } from './deadline.ts'
import type { AgentPorts } from './ports.ts'
import { makeReady } from './ready.ts'
import type { Unseen } from './unseen.ts'

/** Overlay, namespace, domain; the boot is not in it. */
const CLONE_MS = 60_000
const BYTES_PER_GIB = 1024 ** 3

export interface MakeOptions {
  readonly acceleration: 'hardware' | 'emulated'
  /** Path of the tools disk, if the operator gave tools. */
  readonly tools?: string
  readonly bootMs: number
  /** What it is cloned from; absent: it boots. */
  readonly template: TemplateId | undefined
  readonly unseen: Unseen
}

export interface Making {
  readonly machine: MachineId
  readonly spec: MachineSpec
  /** Grows while the machine is made. */
  readonly timeline: TimelineStep[]
  readonly step: (name: string) => void
  readonly signal: AbortSignal
}

/**
 * Resolves with the way in, once a job may have the machine and its record says so. Throws coded errors
 * (`unknown_image`, `disk_full`, `guest_silent`, …); what exists by then is left for the caller to destroy.
 */
export async function makeMachine(ports: AgentPorts, options: MakeOptions, making: Making): Promise<Access> {
  const { machine, spec, timeline, step, signal } = making
  const { clock, driver, records } = ports
  await records.put({ state: 'creating', machine, spec, timeline: [...timeline] })
  if (options.acceleration === 'emulated' && !spec.allowEmulation) {
    const detail = `this host only emulates, which flavor ${spec.flavor} does not allow`
    throw new SlipwayError('create_failed', { machine, step: 'host', detail })
  }
  const { manifest, disk } = await ports.images.find(spec.image)
  const detail = tooSmall(spec, manifest)
  if (detail !== undefined) throw new SlipwayError('create_failed', { machine, step: 'image', detail })
  signal.throwIfAborted()
  const { tools, template } = options
  const source = { ...(tools !== undefined && { tools }), ...(template !== undefined && { template }) }
  const clone = await endedWithin({ clock, step: 'clone', deadlineMs: CLONE_MS, signal }, (inner) =>
    driver.clone({ machine, spec, image: manifest, disk, ...source, step, signal: inner }),
  )
  step('clone')
  const access = await makeReady(
    { ...ports, unseen: options.unseen },
    { clone, user: manifest.user, tools: tools !== undefined, bootMs: options.bootMs, step, signal },
  )
  step('ready')
  await records.put({ state: 'ready', machine, spec, timeline: [...timeline], access })
  signal.throwIfAborted()
  return access
}

/** Said before a guest finds half a file system, or runs out of memory in its boot. */
function tooSmall({ flavor, diskGiB, memoryMiB }: MachineSpec, image: ImageManifest): string | undefined {
  const imageGiB = Math.ceil(image.virtualBytes / BYTES_PER_GIB)
  if (diskGiB < imageGiB) return `flavor ${flavor} has a disk of ${diskGiB} GiB, its image needs ${imageGiB}`
  const { memoryMiBMin = 0 } = image
  if (memoryMiB >= memoryMiBMin) return undefined
  return `flavor ${flavor} has ${memoryMiB} MiB of memory, its image needs ${memoryMiBMin}`
}
