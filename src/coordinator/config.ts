/** `coordinator.toml`: what the operator decides. Every key has a default; an unknown one is an error. */
import { join } from 'node:path'
import { z } from 'zod'
import { type Flavor, idPattern, parseId } from '../model/index.ts'
import { parseToml, readToml } from '../toml/index.ts'

export interface Config {
  readonly file: string
  /** Directory of the database. */
  readonly state: string
  /** Directory of the sockets. */
  readonly run: string
  readonly flavors: readonly Flavor[]
  /** The flavors are the built-in ones for a first try, which allow emulation. */
  readonly trial: boolean
}

const absolute = z.string().regex(/^\/[^\0]*$/, 'must be an absolute path')
const HOST_PORT = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9][A-Za-z0-9.-]*):([1-9]\d{0,4})$/

const flavor = z.strictObject({
  name: z.string().regex(idPattern('FlavorName'), 'must be lower-case letters, digits, ".", "_" or "-"'),
  image: z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'must be the name of an image'),
  vcpus: z.int().min(1).max(256).default(2),
  memory_mib: z.int().min(64).max(4_194_304).default(2048),
  disk_gib: z.int().min(1).max(65_536).default(10),
  allow: z
    .array(
      z
        .string()
        .max(260)
        .regex(HOST_PORT, 'must be host:port')
        .refine(portInRange, 'has no port above 65535'),
    )
    .max(64)
    .default([]),
  limit: z.int().min(1).max(2_000).default(10),
  idle: z.int().min(0).max(2_000).default(0),
  allow_emulation: z.boolean().default(false),
})

const document = z.strictObject({
  state: absolute.default('/var/lib/slipway/coordinator'),
  run: absolute.default('/run/slipway'),
  flavor: z
    .array(flavor.refine(({ idle, limit }) => idle <= limit, { path: ['idle'], error: 'is above the limit' }))
    .min(1)
    .max(200)
    .refine(distinctNames, 'two flavors have the same name')
    .optional(),
})

/** Both images that `slipway image build` knows; emulation allowed so that a first try works anywhere. */
const TRIAL: readonly z.input<typeof flavor>[] = [
  { name: 'debian', image: 'debian', vcpus: 2, memory_mib: 2048, disk_gib: 10, allow_emulation: true },
  { name: 'tiny', image: 'tiny', vcpus: 1, memory_mib: 256, disk_gib: 1, allow_emulation: true },
]

/** Reads `coordinator.toml` of directory `dir`; the file may be missing. Throws `bad_config` with file, line and key. */
export async function readConfig(dir: string): Promise<Config> {
  const file = join(dir, 'coordinator.toml')
  return configOf(file, await readToml(file, document))
}

export const parseConfig = (text: string, file: string): Config =>
  configOf(file, parseToml(file, text, document))

function configOf(file: string, { state, run, flavor: flavors }: z.output<typeof document>): Config {
  return {
    file,
    state,
    run,
    trial: flavors === undefined,
    flavors: (flavors ?? TRIAL.map((each) => flavor.parse(each))).map(toFlavor),
  }
}

function toFlavor(value: z.output<typeof flavor>): Flavor {
  return {
    name: parseId('FlavorName', value.name),
    image: value.image,
    vcpus: value.vcpus,
    memoryMiB: value.memory_mib,
    diskGiB: value.disk_gib,
    network: { allow: value.allow },
    limit: value.limit,
    idle: value.idle,
    allowEmulation: value.allow_emulation,
  }
}

function portInRange(text: string): boolean {
  return Number(HOST_PORT.exec(text)?.[2] ?? 0) <= 65_535
}

function distinctNames(flavors: readonly { readonly name: string }[]): boolean {
  return new Set(flavors.map(({ name }) => name)).size === flavors.length
}
