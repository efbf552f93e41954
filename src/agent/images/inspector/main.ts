/**
 * The process that looks at a stranger's disk file: started by `sandbox.ts` with a uid of its own and no rights, no
 * network and no files but those it was handed. Arguments: `inspect`, or `copy BYTES FROM`. Descriptor 4 is the file, 5
 * the copy. Says one line of JSON a message; `importing.ts` reads them.
 */
import { fstatSync, writeSync } from 'node:fs'
import { copy } from './copy.ts'
import { inspect } from './inspect.ts'

const SOURCE = 4
const TARGET = 5
const STDOUT = 1
const TOLD_EVERY_BYTES = 32 * 1024 * 1024

const say = (message: object): void => void writeSync(STDOUT, `${JSON.stringify(message)}\n`)

function copyFile(bytes: number, from: number): object {
  let told = 0
  const sha256 = copy({
    source: SOURCE,
    target: TARGET,
    bytes,
    from,
    copied: (at) => {
      if (at - told < TOLD_EVERY_BYTES && at < bytes) return
      told = at
      say({ copied: at })
    },
    saved: (at) => say({ saved: at }),
  })
  return sha256 === undefined ? { refused: 'it changed while it was read' } : { sha256 }
}

function inspectFile(): object {
  const inspection = inspect(SOURCE, fstatSync(SOURCE).size)
  return inspection.flat ? { virtualBytes: inspection.virtualBytes } : { refused: inspection.reason }
}

// Whatever ends it from now on is the file's doing, and what ended it before was not.
say({ started: true })
const [role, bytes, from] = process.argv.slice(2)
try {
  say(role === 'copy' ? copyFile(Number(bytes), Number(from)) : inspectFile())
} catch (error) {
  say({
    failed: error instanceof Error && 'code' in error ? String(error.code) : String(error).slice(0, 200),
  })
}
