/** Golden images of this host. */
import { join } from 'node:path'
import { buildImage, ImageStore, readAgentConfig } from '../../agent/index.ts'
import { type ImageDigest, systemClock } from '../../model/index.ts'
import type { Call, Main } from '../command.ts'
import { EXIT } from '../exit.ts'
import { writeJson } from '../json.ts'
import { progress } from '../progress.ts'
import { isUnreachable, reach } from '../reach.ts'
import { requireRoot } from '../root.ts'
import { roughly, table } from '../text.ts'
import { top } from '../top.ts'

const MIB = 1024 * 1024

const storeOf = async ({ config }: Pick<Call, 'config'>): Promise<ImageStore> =>
  new ImageStore((await readAgentConfig(config)).images)

/** Builds an image from its recipe; a running agent finds it by itself. What the recipe says goes to stderr, timed. */
const build: Main = async (call) => {
  requireRoot('building an image')
  const { io, args, options } = call
  const shown = progress(io.stderr, systemClock)
  const output = options.flag('verbose')
    ? (line: string) => void io.stderr.write(`${line}\n`)
    : () => undefined
  try {
    const made = await buildImage({
      name: args[0] ?? '',
      recipes: join(top(), 'images'),
      store: await storeOf(call),
      watch: { step: (name) => shown.step(name), output },
      wall: systemClock.wall,
      signal: io.signal,
    })
    shown.step(`image ${made.name} ${made.version} is ready`)
    shown.clear()
    if (call.json) writeJson(io, made)
    else io.print(`${made.digest}\n`)
    return EXIT.ok
  } finally {
    shown.clear()
  }
}

const list: Main = async (call) => {
  const images = await (await storeOf(call)).manifests()
  if (call.json) writeJson(call.io, { images })
  else {
    const now = systemClock.wall()
    const rows = images.map((image) => [
      image.name,
      image.version,
      image.firmware,
      `${Math.ceil(image.sizeBytes / MIB)} MiB`,
      roughly(now - Date.parse(image.builtAt)),
      image.digest.slice(0, DIGEST_CHARS),
    ])
    call.io.print(table(['image', 'version', 'firmware', 'size', 'age', 'digest'], rows))
  }
  return EXIT.ok
}

const DIGEST_CHARS = 'sha256:'.length + 12

/** Removes images that no machine runs from. */
const remove: Main = async (call) => {
  requireRoot('removing an image')
  const store = await storeOf(call)
  const inUse = await machinesPerImage(call)
  for (const written of call.args) {
    const { digest } = await store.remove(written, inUse)
    call.io.print(`${digest}\n`)
  }
  return EXIT.ok
}

async function machinesPerImage(call: Call): Promise<ReadonlyMap<ImageDigest, number>> {
  const counts = new Map<ImageDigest, number>()
  try {
    const { machines } = await (await reach(call)).call('machineList', { signal: call.io.signal })
    for (const { spec } of machines) counts.set(spec.image, (counts.get(spec.image) ?? 0) + 1)
  } catch (error) {
    if (!isUnreachable(error)) throw error
  }
  return counts
}

export const imageBuild = { main: build }
export const imageList = { main: list }
export const imageRemove = { main: remove }
