import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { parseId, type TemplateShape } from '../../../model/index.ts'
import type { Template } from '../driver.ts'
import { type DomainPlan, domainXml } from './domain.ts'
import { type Cloning, probePrograms } from './probe/index.ts'
import { hostCpu, templateKey } from './template/index.ts'

export interface TemplateKeysOptions extends Pick<DomainPlan, 'acceleration' | 'machineType'> {
  readonly cloning: Cloning
  /** QEMU's and libvirt's own words of themselves. */
  readonly identity: readonly string[]
}

const EMULATOR = '/usr/bin/qemu-system-x86_64'
const ASK_MS_MAX = 10_000

/** What templates of this host are named by, as it is now: programs may be upgraded under a living agent. */
export class TemplateKeys {
  readonly #options: TemplateKeysOptions
  readonly #digests = new Map<string, Promise<string>>()
  #identity: readonly string[]
  #emulator: string | undefined

  constructor(options: TemplateKeysOptions) {
    this.#options = options
    this.#identity = options.identity
  }

  /** Undefined where no template of this shape can be made. */
  async of(shape: TemplateShape, tools: string | undefined): Promise<string | undefined> {
    const mode = this.mode(shape)
    if (mode === undefined) return undefined
    return templateKey({
      shape,
      mode,
      tools: tools === undefined ? undefined : await this.#digest(tools),
      domain: neutralDomain(this.#options, shape, tools),
      programs: await this.#programs(),
      cpu: this.#options.acceleration === 'hardware' ? await hostCpu() : undefined,
    })
  }

  /** How clones of this shape get their memory here. */
  mode({ sharing }: TemplateShape): Template['mode'] | undefined {
    const { mode, canCopy } = this.#options.cloning
    if (mode === 'shared-memory' && sharing !== 'none') return mode
    return canCopy ? 'mapped-ram' : undefined
  }

  #digest(file: string): Promise<string> {
    const known = this.#digests.get(file)
    if (known !== undefined) return known
    const digest = digestOf(file)
    this.#digests.set(file, digest)
    return digest
  }

  async #programs(): Promise<readonly string[]> {
    const { ino, ctimeMs, size } = await stat(EMULATOR)
    const emulator = `${ino} ${ctimeMs} ${size}`
    if (this.#emulator !== undefined && this.#emulator !== emulator)
      this.#identity = (await probePrograms(AbortSignal.timeout(ASK_MS_MAX))).identity
    this.#emulator = emulator
    return this.#identity
  }
}

async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  return hash.digest('hex')
}

/** A machine of the shape with nothing in it that differs from one machine to the next. */
function neutralDomain(
  options: TemplateKeysOptions,
  shape: TemplateShape,
  tools: string | undefined,
): string {
  return domainXml({
    ...options,
    name: 'any',
    machine: parseId('MachineId', `m-${'0'.repeat(26)}`),
    slot: { number: 0, uid: 0, namespace: '', uplink: '', tap: 'tap', hostAddress: '', address: '' },
    spec: shape,
    generationId: '00000000-0000-0000-0000-000000000000',
    overlay: '/overlay',
    backing: ['/disk'],
    tools: tools && '/tools',
    firmware: { kind: 'bios' },
    consoleLog: '/log',
    consoleSocket: '/console',
    kitSocket: '/kit',
    wakes: false,
  })
}
