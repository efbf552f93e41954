/** The host's allegiance on disk, in the agent's state directory: it must outlive a reboot. */
import { join } from 'node:path'
import { z } from 'zod'
import { stamp } from '../api/server.ts'
import { parseId, SlipwayError } from '../model/index.ts'
import { type Allegiance, NO_ALLEGIANCE } from './allegiance.ts'
import { readWhole, replaceFile } from './durable-file.ts'
import type { Memory } from './ports.ts'

const schema = z.strictObject({ database: z.string(), stamp })
export const ALLEGIANCE_FILE = 'allegiance.json'
const FILE_BYTES_MAX = 4_096

/** Throws `bad_config` at load when the file is not understood: to guess here would be to obey anybody. */
export function fileMemory(dir: string): Memory {
  const file = join(dir, ALLEGIANCE_FILE)
  return {
    async load() {
      const text = await readWhole(file, FILE_BYTES_MAX)
      return text === undefined ? NO_ALLEGIANCE : parse(file, text)
    },
    save: ({ database, stamp }) => replaceFile(file, `${JSON.stringify({ database, stamp })}\n`),
  }
}

function parse(file: string, text: string): Allegiance {
  try {
    const { database, stamp } = schema.parse(JSON.parse(text))
    return { database: parseId('DatabaseId', database), stamp }
  } catch (cause) {
    const detail = 'it does not say which database this host obeys; `slipway adopt` forgets it'
    throw new SlipwayError('bad_config', { file, detail }, { cause })
  }
}

/** For the simulation: survives the agent's process as an object. */
export function volatileMemory(): Memory {
  let allegiance = NO_ALLEGIANCE
  return {
    load: async () => allegiance,
    save: async (next) => {
      allegiance = next
    },
  }
}
