/** A bench of real machines runs itself again where nothing but itself reaches them. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { tinyFolder } from '../test/runner/tiny-image.ts'

/**
 * Runs `file` once more, in a network namespace of its own, with all its arguments, and behind them the folder of its
 * images. Packages come from outside: the image is made before the network is left. $IMAGES: where other images than
 * `tiny` are.
 */
export async function runIsolated(file: string, image: string, ...counts: readonly string[]): Promise<void> {
  const images = image === 'tiny' ? await tinyFolder() : (process.env.IMAGES ?? '/var/lib/slipway/images')
  const isolated = join(import.meta.dirname, '../test/runner/isolated')
  const env = { ...process.env, SLIPWAY_TEST_NODE: process.execPath }
  process.exitCode =
    spawnSync(isolated, [file, image, ...counts, images], { stdio: 'inherit', env }).status ?? 1
}
