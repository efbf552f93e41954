import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'

const images = join(import.meta.dirname, '../../images')
/** Parts of `images/` the tiny image is made of. */
const RECIPE = ['apt', 'disk', 'kit', 'tiny']

/**
 * Makes the tiny image unless the cache has it: outside the tests' network namespaces, because it fetches packages.
 * The cache is keyed by the recipe, so that a change of it makes a new one.
 */
export function setup(project: TestProject): void {
  if (process.getuid?.() === 0) project.provide('tinyDisk', tinyDisk())
}

function tinyDisk(): string {
  const cache = join(process.env.XDG_CACHE_HOME ?? '/var/cache', 'slipway-test')
  const dir = join(cache, `tiny-${recipeDigest()}`)
  const disk = join(dir, 'disk.qcow2')
  if (existsSync(disk)) return disk
  mkdirSync(cache, { recursive: true })
  const made = mkdtempSync(join(cache, 'making-'))
  const work = mkdtempSync(join(tmpdir(), 'slw-image-'))
  try {
    execFileSync(join(images, 'tiny/build'), [made, work], { stdio: 'inherit' })
    writeFileSync(join(made, 'manifest.json'), JSON.stringify(manifest(join(made, 'disk.qcow2'))))
    chmodSync(join(made, 'disk.qcow2'), 0o444)
    chmodSync(made, 0o755)
    renameSync(made, dir)
  } finally {
    rmSync(work, { recursive: true, force: true })
    rmSync(made, { recursive: true, force: true })
  }
  return disk
}

const manifest = (disk: string): object => ({
  name: 'tiny',
  version: '1',
  os: 'linux',
  arch: 'x86_64',
  firmware: 'bios',
  user: 'root',
  digest: `sha256:${createHash('sha256').update(readFileSync(disk)).digest('hex')}`,
  sizeBytes: statSync(disk).size,
  virtualBytes: 512 * 1024 * 1024,
  builtAt: new Date().toISOString(),
})

function recipeDigest(): string {
  const hash = createHash('sha256')
  for (const part of RECIPE)
    for (const name of readdirSync(join(images, part), { recursive: true, encoding: 'utf8' }).sort()) {
      const file = join(images, part, name)
      if (statSync(file).isFile()) hash.update(`${part}/${name}\0`).update(readFileSync(file))
    }
  return hash.digest('hex').slice(0, 16)
}
