/**
 * Whether a clone costs the same however many templates its host serves: by the driver and the ready sequence alone, of
 * the first template and of the last in turns, on demand and from no hull.
 *   sh bin/node bench/templates.ts [tiny|debian] [clones of each] [templates]
 * Time until ready and time to list the templates, with 1, 2, 5 and all of them on the host, and with one again when the
 * others are removed; what it takes to build each, and its disk. Writes to bench/results.json. Exits 1 if a promise is not
 * kept. Needs root; runs in a network namespace of its own. Takes some ten minutes.
 */
import { setTimeout as wait } from 'node:timers/promises'
import type { Template } from '../src/agent/drivers/driver.ts'
import { type BareHost, MEMORY_MIB, openBareHost } from './bare-host.ts'
import { conclude } from './conclude.ts'
import { runIsolated } from './isolated.ts'
import { loadNow } from './results.ts'
import { Samples } from './samples.ts'

/** Clones are counted when there are so many, and when there are all. */
const STOPS = [1, 2, 5]
/** The promise is about so many; others have a figure of their own. */
const TEMPLATES = '10'
const RATIO_MAX = 1.5
const AGAIN = '1 again'
/** What a clone's removal leaves to do, done before the next sample. */
const REST_MS = 250

const [image = 'debian', clones = '10', templates = TEMPLATES, folder] = process.argv.slice(2)

if (folder === undefined) {
  await runIsolated(import.meta.filename, image, clones, templates)
} else {
  await serve(folder)
}

async function serve(images: string): Promise<void> {
  const samples = new Samples()
  const load = [loadNow()]
  const all = Number(templates)
  await using host = await openBareHost(images, image)
  const built: Template[] = []
  for (const stop of [...STOPS.filter((stop) => stop < all), all]) {
    while (built.length < stop) {
      const startMs = performance.now()
      // Another amount of memory is another shape.
      const template = await host.freeze(MEMORY_MIB + built.length)
      samples.add('built s', (performance.now() - startMs) / 1000)
      samples.add('disk MiB', template.diskMiB)
      built.push(template)
    }
    await takeTurns(host, built, { samples, having: `${stop}` })
    load.push(loadNow())
    process.stderr.write(`${stop} of ${all} templates, load ${load.at(-1)}\n`)
  }
  for (const { id } of built.splice(1)) await host.driver.removeTemplate(id)
  await takeTurns(host, built, { samples, having: AGAIN })
  load.push(loadNow())

  // What gets faster in the course of a run hides nothing that gets slower by what there is.
  const withOne = Math.min(medianReady(samples, '1'), medianReady(samples, AGAIN))
  const ratio = medianReady(samples, templates) / withOne
  conclude('templates', {
    guest: `${image}, 1 vCPU, from ${MEMORY_MIB} MiB, ${all} templates`,
    samples,
    load,
    ratios: templates === TEMPLATES ? { tenTemplatesOverOne: ratio } : { templatesOverOne: ratio },
    most: { tenTemplatesOverOne: RATIO_MAX, templatesOverOne: RATIO_MAX },
  })
}

interface Turns {
  readonly samples: Samples
  /** Names them: how many templates there are. */
  readonly having: string
}

/** Of one template the first is the last, and counts as both. */
async function takeTurns(
  host: BareHost,
  built: readonly Template[],
  { samples, having }: Turns,
): Promise<void> {
  const ends = { first: built.at(0), last: built.at(-1) }
  // One round more than is counted: the first finds caches cold.
  for (let round = 0; round <= Number(clones); round++) {
    const counted = round > 0 ? samples : new Samples()
    for (const [end, template] of Object.entries(ends)) {
      if (template === undefined) throw new Error('no template')
      const startMs = performance.now()
      const clone = await host.make(template)
      counted.add(readyName(end, having), performance.now() - startMs)
      await host.driver.destroy(clone)
      await wait(REST_MS)
    }
    const startMs = performance.now()
    const listed = await host.driver.templates()
    counted.add(`${having} listed`, performance.now() - startMs)
    if (listed.length !== built.length) throw new Error(`listed: ${JSON.stringify(listed)}`)
  }
}

function readyName(end: string, having: string): string {
  return `${end} of ${having} ready`
}

function medianReady(samples: Samples, having: string): number {
  const both = new Samples()
  for (const end of ['first', 'last'])
    for (const value of samples.of(readyName(end, having))) both.add('ready', value)
  return both.median('ready')
}
