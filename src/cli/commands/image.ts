/** Golden images of this host: made, taken in, looked at. */
import { join } from 'node:path'
import { type AgentConfig, buildImage, ImageStore, importImage, readAgentConfig } from '../../agent/index.ts'
import { type ImageManifest, isId, roughly, SlipwayError, systemClock } from '../../model/index.ts'
import type { Call, Main } from '../command.ts'
import { EXIT } from '../exit.ts'
import { writeJson } from '../json.ts'
import { type Progress, progress } from '../progress.ts'
import { requireRoot } from '../root.ts'
import { shortDigest, table } from '../text.ts'
import { top } from '../top.ts'
import { givenWords } from './image-words.ts'
import { machinesPerImage } from './images-in-use.ts'

const MIB = 1024 * 1024

export const storeOf = (config: Pick<AgentConfig, 'images'>): ImageStore => new ImageStore(config.images)

/** Shows what happens on stderr, timed, and prints the image that came of it. */
async function making(call: Call, work: (shown: Progress) => Promise<ImageManifest>): Promise<number> {
  const shown = progress(call.io.stderr, systemClock)
  try {
    const made = await work(shown)
    shown.step(`image ${made.name} ${made.version} is ready`)
    shown.clear()
    if (call.json) writeJson(call.io, made)
    else call.io.print(`${made.digest}\n`)
    return EXIT.ok
  } finally {
    shown.clear()
  }
}

/** Builds an image from its recipe; a running agent finds it by itself. */
const build: Main = async (call) => {
  requireRoot('building an image')
  const { io, args, options } = call
  const output = options.flag('verbose')
    ? (line: string) => void io.stderr.write(`${line}\n`)
    : () => undefined
  return making(call, async (shown) =>
    buildImage({
      name: args[0] ?? '',
      recipes: join(top(), 'images'),
      store: storeOf(await readAgentConfig(call.config)),
      watch: { step: (name) => shown.step(name), output },
      wall: systemClock.wall,
      signal: io.signal,
    }),
  )
}

/** Takes a disk file in through the sandboxed inspector; what was cut short goes on where it was. */
const importFile: Main = async (call) => {
  requireRoot('importing an image')
  const { io, args, options } = call
  const file = args[0] ?? ''
  const words = givenWords(file, options)
  const digest = options.text('digest')
  if (digest !== undefined && !isId('ImageDigest', digest)) {
    throw new SlipwayError('bad_id', { text: digest.slice(0, 80), kind: 'ImageDigest' })
  }
  const deadlineMs = options.durationMs('timeout')
  const config = await readAgentConfig(call.config)
  return making(call, (shown) =>
    importImage({
      ...{ file, words, store: storeOf(config), wall: systemClock.wall, signal: io.signal },
      ...(digest === undefined ? {} : { digest }),
      ...(deadlineMs === undefined ? {} : { deadlineMs }),
      // The first after those of the machines: nobody's, and no machine's.
      uid: config.libvirt.uid_base + config.libvirt.uid_count,
      watch: {
        step: (name) => shown.step(name),
        copied: (bytes, of) => shown.step(`copied ${tenths(bytes / of)} of ${Math.ceil(of / MIB)} MiB`),
      },
    }),
  )
}

/** A line for each tenth is enough in a log. */
const tenths = (share: number): string => `${Math.floor(share * 10) * 10} %`

const list: Main = async (call) => {
  const images = await storeOf(await readAgentConfig(call.config)).manifests()
  if (call.json) writeJson(call.io, { images })
  else {
    const now = systemClock.wall()
    const rows = images.map((image) => [
      image.name,
      image.version,
      image.firmware,
      `${Math.ceil(image.sizeBytes / MIB)} MiB`,
      roughly(now - Date.parse(image.builtAt)),
      shortDigest(image.digest),
    ])
    call.io.print(table(['image', 'version', 'firmware', 'size', 'age', 'digest'], rows))
  }
  return EXIT.ok
}

/** All that is known of one image: its manifest, where its disk lies, how many machines run from it. */
const inspect: Main = async (call) => {
  const config = await readAgentConfig(call.config)
  const store = storeOf(config)
  const { digest } = await store.resolve(call.args[0] ?? '')
  const { manifest, disk } = await store.find(digest)
  const machines = (await machinesPerImage(call, config)).get(digest) ?? 0
  writeJson(call.io, { ...manifest, disk, machines })
  return EXIT.ok
}

export const imageBuild = { main: build }
export const imageImport = { main: importFile }
export const imageList = { main: list }
export const imageInspect = { main: inspect }
