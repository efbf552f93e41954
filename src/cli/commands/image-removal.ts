/** Golden images that go: those that are named, or those that nothing needs any more. */
import { readAgentConfig } from '../../agent/index.ts'
import { SlipwayError } from '../../model/index.ts'
import type { Main } from '../command.ts'
import { EXIT } from '../exit.ts'
import { writeJson } from '../json.ts'
import { requireRoot } from '../root.ts'
import { storeOf } from './image.ts'
import { machinesPerImage } from './images-in-use.ts'

/** Removes images that no machine runs from. A name of several means none of them, unless all are meant. */
const remove: Main = async (call) => {
  requireRoot('removing an image')
  const config = await readAgentConfig(call.config)
  const store = storeOf(config)
  const removal = { inUse: await machinesPerImage(call, config), all: call.options.flag('all') }
  for (const written of call.args) {
    for (const { digest } of await store.remove(written, removal)) call.io.print(`${digest}\n`)
  }
  return EXIT.ok
}

/** Removes what newer images of the same name have replaced, as long as no machine runs from it. */
const prune: Main = async (call) => {
  const { io, options } = call
  const dryRun = options.flag('dryRun')
  if (!dryRun) requireRoot('removing images')
  const keep = options.count('keep') ?? 1
  if (keep < 1) throw new SlipwayError('bad_request', { detail: '--keep takes at least 1' })
  const config = await readAgentConfig(call.config)
  const inUse = await machinesPerImage(call, config)
  const removed = await storeOf(config).prune({ keep, inUse, dryRun })
  if (call.json) writeJson(io, { images: removed, dryRun })
  else for (const { name, version, digest } of removed) io.print(`${digest} ${name} ${version}\n`)
  return EXIT.ok
}

export const imageRemove = { main: remove }
export const imagePrune = { main: prune }
