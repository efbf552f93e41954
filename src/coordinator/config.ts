/** `coordinator.toml`: what the operator decides. Every key has a default; an unknown one is an error. */
import { join } from 'node:path'
import { z } from 'zod'
import { type Flavor, type FlavorName, idPattern, parseId } from '../model/index.ts'
import { parseToml, readSettings, readToml, type Setting } from '../toml/index.ts'
import { idleOf, idleWords, mistakesOf, type Policy, policyKeys, policyOf } from './policy/index.ts'

export interface Config {
  readonly file: string
  /** Directory of the database. */
  readonly state: string
  /** Directory of the sockets. */
  readonly run: string
  readonly flavors: readonly Flavor[]
  /** Of flavors that keep more than a fixed number of idle machines. */
  readonly policies: ReadonlyMap<FlavorName, Policy>
  /** What is written without effect, a sentence each. */
  readonly warnings: readonly string[]
  /** The flavors are the built-in ones for a first try, which allow emulation. */
  readonly trial: boolean
}

const MS_PER_S = 1_000
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
  limit: z.int().min(1).max(2_000).optional(),
  idle_min: z.int().min(0).max(2_000).default(0),
  idle_max_age_s: z.int().min(60).max(2_592_000).default(43_200),
  sharing: z.enum(['trust-domain', 'host', 'none']).default('trust-domain'),
  allow_emulation: z.boolean().default(false),
  ...policyKeys,
})
const checkedFlavor = flavor.superRefine((value, context) => {
  if (value.limit !== undefined && value.autoscaler?.max_instances !== undefined) {
    context.addIssue({
      code: 'custom',
      path: ['limit'],
      message: 'is autoscaler.max_instances: write one of them',
    })
  }
  for (const { path, message } of mistakesOf(value, limitOf(value))) {
    context.addIssue({ code: 'custom', path: [...path], message })
  }
})
const LIMIT = 10

const document = z.strictObject({
  state: absolute.default('/var/lib/slipway/coordinator'),
  run: absolute.default('/run/slipway'),
  flavor: z
    .array(checkedFlavor)
    .min(1)
    .max(200)
    .refine(distinctNames, 'two flavors have the same name')
    .optional(),
})

const DEBIAN = { vcpus: 2, memory_mib: 2048, disk_gib: 10, allow_emulation: true }
/** The images that `slipway image build` knows; emulation allowed so that a first try works anywhere. */
const TRIAL: readonly z.input<typeof flavor>[] = [
  { ...DEBIAN, name: 'debian', image: 'debian' },
  { ...DEBIAN, name: 'debian-docker', image: 'debian-docker' },
  { name: 'tiny', image: 'tiny', vcpus: 1, memory_mib: 256, disk_gib: 1, allow_emulation: true },
]

/** Reads `coordinator.toml` of directory `dir`; the file may be missing. Throws `bad_config` with file, line and key. */
export async function readConfig(dir: string): Promise<Config> {
  const file = join(dir, FILE)
  return configOf(file, await readToml(file, document))
}

/** The same, key by key, with where each comes from. */
export const coordinatorSettings = (dir: string): Promise<readonly Setting[]> =>
  readSettings(join(dir, FILE), document, { flavor: TRIAL })

const FILE = 'coordinator.toml'

export const parseConfig = (text: string, file: string): Config =>
  configOf(file, parseToml(file, text, document))

function configOf(file: string, { state, run, flavor: written }: z.output<typeof document>): Config {
  const flavors = (written ?? TRIAL.map((each) => flavor.parse(each))).map((value) => ({
    flavor: toFlavor(value),
    policy: policyOf(value, limitOf(value)),
    warnings: idleWords(value).map((words) => `flavor ${value.name}: ${words}`),
  }))
  return {
    file,
    state,
    run,
    trial: written === undefined,
    flavors: flavors.map((each) => each.flavor),
    policies: new Map(flavors.flatMap((each) => (each.policy ? [[each.flavor.name, each.policy]] : []))),
    warnings: flavors.flatMap((each) => each.warnings),
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
    limit: limitOf(value),
    idle: idleOf(value),
    idleMin: value.idle_min,
    idleAgeMsMax: value.idle_max_age_s * MS_PER_S,
    sharing: value.sharing,
    allowEmulation: value.allow_emulation,
  }
}

const limitOf = ({ limit, autoscaler }: z.output<typeof flavor>): number =>
  limit ?? autoscaler?.max_instances ?? LIMIT

function portInRange(text: string): boolean {
  return Number(HOST_PORT.exec(text)?.[2] ?? 0) <= 65_535
}

function distinctNames(flavors: readonly { readonly name: string }[]): boolean {
  return new Set(flavors.map(({ name }) => name)).size === flavors.length
}
