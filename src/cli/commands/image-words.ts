/** What a manifest says of an image that came without a recipe: the options of `slipway image import`. */
import { basename } from 'node:path'
import { type ImageWords, imageWords } from '../../agent/index.ts'
import { SlipwayError } from '../../model/index.ts'
import type { Options } from '../options.ts'

/** Its name is the file's, unless another is given. Throws `bad_request` that names the option. */
export function givenWords(file: string, options: Options): ImageWords {
  const stem = basename(file).replace(/[.](qcow2|img)$/, '')
  const memory = options.count('memory')
  return imageWords(
    {
      name: options.text('name') ?? stem,
      version: options.text('release') ?? '1',
      os: 'linux',
      arch: process.arch === 'arm64' ? 'aarch64' : 'x86_64',
      firmware: options.text('firmware') ?? 'bios',
      user: options.text('user') ?? 'root',
      ...(memory === undefined ? {} : { memoryMiBMin: memory }),
    },
    (key, detail) => {
      throw new SlipwayError('bad_request', { detail: `--${optionOf.get(key) ?? key}: ${detail}` })
    },
  )
}

/** Options that are not named as what they give. */
const optionOf: ReadonlyMap<string, string> = new Map([
  ['version', 'release'],
  ['memoryMiBMin', 'memory'],
])
