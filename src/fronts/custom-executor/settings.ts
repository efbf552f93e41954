/**
 * `custom-executor.toml`: where the coordinator is, whose token to use, and what a job may ask for. Written by the
 * operator; nothing in it ever comes from a job.
 *
 * Checked by hand: each of a job's ten stages is a process of its own, and a schema library would cost each of them
 * more time than the rest of its start.
 */
import { readFile, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { parse, type TomlTable } from 'smol-toml'
import { type FlavorName, isId, type Secret, SlipwayError } from '../../model/index.ts'
import { readTokenFile } from '../token-file.ts'

export interface Settings {
  /** The coordinator's lease socket. */
  readonly socket: string
  readonly token: Secret<string>
  /** For jobs that name no image and no flavor. */
  readonly defaultFlavor: FlavorName | undefined
  /** What a job's SLIPWAY_FLAVOR may say. */
  readonly flavors: readonly FlavorName[]
  /** What a job's `image:` may say, and which machine that is. */
  readonly images: ReadonlyMap<string, OfferedImage>
  /** Where the guest keeps the checkout, and its cache archives on their way. */
  readonly buildsDir: string
  readonly cacheDir: string
  /** The language of the scripts the runner writes: `sh` for guests without bash. */
  readonly shell: 'bash' | 'sh'
  /** How long a job may wait for its machine. */
  readonly prepareDeadlineMs: number
}

export interface OfferedImage {
  readonly flavor: FlavorName
  /** Another image than the flavor's own. */
  readonly image?: string
}

const SOCKET_DEFAULT = '/run/slipway/lease.sock'
const PREPARE_DEADLINE_S_DEFAULT = 1_800
const FILE_BYTES_MAX = 256 * 1024

/** Reads `file` and the token it points to; throws `bad_config`, which names the key. */
export async function readSettings(file: string): Promise<Settings> {
  const refuse: Refuse = (detail) => {
    throw new SlipwayError('bad_config', { file, detail })
  }
  const table = parseToml(await readText(file, refuse), refuse)
  const keys = new Keys(table, '', refuse)
  const socket = keys.text('socket') ?? SOCKET_DEFAULT
  const tokenFile = keys.text('token_file') ?? refuse('token_file is missing')
  const shell = keys.text('shell') ?? 'bash'
  if (shell !== 'bash' && shell !== 'sh') refuse('shell is "bash" or "sh"')
  const settings: Omit<Settings, 'token'> = {
    socket,
    defaultFlavor: keys.flavor('default_flavor'),
    flavors: keys.flavors('flavors'),
    images: keys.images('images'),
    buildsDir: keys.path('builds_dir') ?? '/builds',
    cacheDir: keys.path('cache_dir') ?? '/cache',
    shell,
    prepareDeadlineMs: (keys.seconds('prepare_deadline_s') ?? PREPARE_DEADLINE_S_DEFAULT) * 1_000,
  }
  keys.end()
  return { ...settings, token: await readTokenFile(resolve(dirname(file), tokenFile), refuse) }
}

type Refuse = (detail: string) => never

async function readText(file: string, refuse: Refuse): Promise<string> {
  try {
    const { size } = await stat(file)
    if (size > FILE_BYTES_MAX) refuse(`it is larger than ${FILE_BYTES_MAX} bytes`)
    return await readFile(file, 'utf8')
  } catch (error) {
    if (error instanceof SlipwayError) throw error
    return refuse(`it cannot be read: ${error instanceof Error ? error.message : error}`)
  }
}

function parseToml(text: string, refuse: Refuse): TomlTable {
  try {
    return parse(text)
  } catch (error) {
    return refuse(error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error))
  }
}

/** A table whose keys are taken one by one; what is left at the end is unknown. */
class Keys {
  readonly #values: Map<string, unknown>
  readonly #path: string
  readonly #refuse: Refuse

  constructor(table: object, path: string, refuse: Refuse) {
    this.#values = new Map(Object.entries(table))
    this.#path = path
    this.#refuse = refuse
  }

  end(): void {
    for (const name of this.#values.keys()) this.#refuse(`unknown key ${this.#path}${name}`)
  }

  text(name: string): string | undefined {
    const value = this.#take(name)
    if (value === undefined || (typeof value === 'string' && value !== '')) return value
    return this.#fail(name, 'a text')
  }

  path(name: string): string | undefined {
    const value = this.text(name)
    return value === undefined || value.startsWith('/') ? value : this.#fail(name, 'an absolute path')
  }

  seconds(name: string): number | undefined {
    const value = this.#take(name)
    if (value === undefined) return undefined
    return typeof value === 'number' && value >= 1 && value <= 86_400
      ? value
      : this.#fail(name, 'seconds from 1 to 86400')
  }

  flavor(name: string): FlavorName | undefined {
    const value = this.#take(name)
    return value === undefined ? undefined : this.#asFlavor(name, value)
  }

  flavors(name: string): readonly FlavorName[] {
    const value = this.#take(name) ?? []
    if (!Array.isArray(value)) return this.#fail(name, 'a list of flavors')
    return value.map((each) => this.#asFlavor(name, each))
  }

  images(name: string): ReadonlyMap<string, OfferedImage> {
    const value = this.#take(name) ?? {}
    if (typeof value !== 'object' || Array.isArray(value)) return this.#fail(name, 'a table')
    return new Map(
      Object.entries(value).map(([image, offer]) => [image, this.#offer(`${name}."${image}"`, offer)]),
    )
  }

  #offer(name: string, value: unknown): OfferedImage {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      return this.#fail(name, 'a table')
    const keys = new Keys(value, `${name}.`, this.#refuse)
    const flavor = keys.flavor('flavor') ?? this.#refuse(`${name}.flavor is missing`)
    const image = keys.text('image')
    keys.end()
    return image === undefined ? { flavor } : { flavor, image }
  }

  #take(name: string): unknown {
    const value = this.#values.get(name)
    this.#values.delete(name)
    return value
  }

  #asFlavor(name: string, value: unknown): FlavorName {
    return typeof value === 'string' && isId('FlavorName', value) ? value : this.#fail(name, 'a flavor name')
  }

  #fail(name: string, kind: string): never {
    return this.#refuse(`${this.#path}${name} is not ${kind}`)
  }
}
