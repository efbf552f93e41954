/** A stranger's disk files, real and hostile, and the sandbox in which they are looked at. */
import { execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import {
  appendFile,
  link,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ImageStore, type ImageWords, importImage } from '../../src/agent/images/index.ts'
import { dataQcow2 } from '../../src/agent/images/qcow2-sample.ts'
import { hostileFiles } from '../images/hostile.ts'

const UID = 216_384
const words: ImageWords = {
  name: 'user',
  version: '1',
  os: 'linux',
  arch: 'x86_64',
  firmware: 'bios',
  user: 'root',
}
const MIB = 1024 * 1024

let dir = ''
let store = new ImageStore('')
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'import-test-'))
  store = new ImageStore(join(dir, 'store'))
})
afterEach(() => rm(dir, { recursive: true }))

const none = { step: () => undefined, copied: () => undefined }
const take = (file: string, options: Partial<Parameters<typeof importImage>[0]> = {}) =>
  importImage({
    ...{ file, words, store, uid: UID, watch: none, wall: Date.now, signal: new AbortController().signal },
    ...options,
  })
const left = async () => (existsSync(store.folder) ? readdir(store.folder) : [])
const sha256 = async (file: string) =>
  createHash('sha256')
    .update(await readFile(file))
    .digest('hex')
const sh = (script: string) => execFileSync('sh', ['-ec', script], { cwd: dir, encoding: 'utf8' })
/** Processes of the inspector's, and mounts of the test's. */
const remains = () => [
  sh(`ps -o pid= --user ${UID} || true`).trim(),
  readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .filter((line) => line.includes(dir))
    .join(),
]

describe('a file of one’s own', () => {
  it.each([
    ['as qemu-img makes it', ''],
    ['in the smallest clusters', '-o cluster_size=512'],
    ['in the largest clusters', '-o cluster_size=2M'],
    ['with counts of a bit', '-o refcount_bits=1'],
    ['with counts of 64 bits', '-o refcount_bits=64'],
    ['with room made ahead', '-o preallocation=metadata'],
    ['with lazy counts', '-o lazy_refcounts=on'],
  ])('%s is taken in as it is', async (_, options) => {
    sh(`head -c 5M /dev/urandom >raw; truncate -s 64M raw; head -c 1M /dev/urandom >>raw`)
    sh(`qemu-img convert -f raw -O qcow2 ${options} raw disk.qcow2`)
    const file = join(dir, 'disk.qcow2')
    const manifest = await take(file)
    expect(manifest).toMatchObject({
      name: 'user',
      digest: `sha256:${await sha256(file)}`,
      virtualBytes: 65 * MIB,
    })
    const { disk } = await store.find(manifest.digest)
    expect((await stat(disk)).mode & 0o777).toBe(0o444)
    expect(await sha256(disk)).toBe(await sha256(file))
    expect(sh(`qemu-img check ${disk}`)).toContain('No errors')
    expect(await left()).toHaveLength(2)
    expect(remains()).toEqual(['', ''])
  })

  it('that only root may read is read, and keeps its holes', async () => {
    sh('umask 077; qemu-img create -q -f qcow2 -o cluster_size=2M,preallocation=metadata disk.qcow2 64M')
    const { digest } = await take(join(dir, 'disk.qcow2'))
    const kept = await stat((await store.find(digest)).disk)
    expect(kept.blocks * 512).toBeLessThan(kept.size / 4)
  })

  it('with the digest that was named is taken; with another it is not, and nothing of it stays', async () => {
    const file = join(dir, 'disk.qcow2')
    await writeFile(file, dataQcow2())
    const digest = `sha256:${'0'.repeat(64)}` as const
    await expect(take(file, { digest: digest as never })).rejects.toMatchObject({
      code: 'digest_differs',
      args: { found: `sha256:${await sha256(file)}` },
    })
    expect(await left()).toEqual([])
    expect(await take(file, { digest: `sha256:${await sha256(file)}` as never })).toBeDefined()
  })
})

describe(`of ${hostileFiles.length} files that mean harm or are broken, refused with a reason and nothing left:`, () => {
  it('there are enough of them, and each is another', () => {
    expect(new Set(hostileFiles.map(({ name }) => name)).size).toBe(hostileFiles.length)
    expect(hostileFiles.length).toBeGreaterThanOrEqual(40)
  })
  it.each(hostileFiles.map((each) => [each.name, each] as const))('%s', async (_, { make, says }) => {
    await mkdir(join(dir, 'files'))
    const started = performance.now()
    await expect(take(make(join(dir, 'files')))).rejects.toMatchObject({
      code: 'image_refused',
      args: { detail: typeof says === 'string' ? says : expect.stringMatching(says) },
    })
    expect(performance.now() - started).toBeLessThan(60_000)
    expect(await left()).toEqual([])
    expect(remains()).toEqual(['', ''])
  })
})

describe('a file that changes while it is read', () => {
  const LARGE = 'head -c 40M /dev/urandom >raw; qemu-img convert -f raw -O qcow2 raw disk.qcow2'
  it.each<[string, (file: string) => Promise<unknown>]>([
    [
      'in its bytes',
      async (file) => {
        await using handle = await open(file, 'r+')
        await handle.write(Buffer.alloc(512), 0, 512, 20 * MIB)
      },
    ],
    ['in its length', (file) => appendFile(file, 'x')],
    ['by getting shorter', (file) => truncate(file, 5 * MIB)],
    [
      'through another name of it',
      async (file) => {
        await link(file, `${file}.other`)
        await appendFile(`${file}.other`, 'x')
      },
    ],
  ])('%s is refused', async (_, change) => {
    sh(LARGE)
    const file = join(dir, 'disk.qcow2')
    let changed: Promise<unknown> = Promise.resolve()
    const watch = {
      ...none,
      step: (name: string) => {
        if (name === 'copying') changed = change(file)
      },
    }
    await expect(take(file, { watch })).rejects.toMatchObject({
      code: 'image_refused',
      args: { detail: /changed/ },
    })
    await changed
    expect(await left()).toEqual([])
  })

  it('and is another file by then under its name: what was named first is what is taken', async () => {
    const file = join(dir, 'disk.qcow2')
    sh(LARGE)
    const before = await sha256(file)
    const watch = {
      ...none,
      step: (name: string) =>
        void (
          name === 'copying' &&
          sh(`qemu-img create -q -f qcow2 -b /etc/shadow -F raw new 1M; mv new disk.qcow2`)
        ),
    }
    // The link count, and with it the time of change, is the file's: a replaced one is told apart.
    const outcome = await take(file, { watch }).then(
      ({ digest }) => digest,
      ({ code }) => code,
    )
    expect([`sha256:${before}`, 'image_refused']).toContain(outcome)
  })
})

describe('an import that is cut short', () => {
  /** Larger than what is made safe at a time. */
  const large = () => {
    sh('head -c 300M /dev/urandom >raw; qemu-img convert -f raw -O qcow2 raw disk.qcow2; rm raw')
    return join(dir, 'disk.qcow2')
  }
  const steps: string[] = []
  const watch = { ...none, step: (name: string) => void steps.push(name) }
  beforeEach(() => void steps.splice(0))

  /** Kills a process that imports `file` once so much is safe; all of the inspector's go with it. */
  async function killedAt(file: string, bytes: number): Promise<void> {
    const images = join(import.meta.dirname, '../../src/agent/images/index.ts')
    const source = `import { importImage, ImageStore } from ${JSON.stringify(images)}
      await importImage({ file: ${JSON.stringify(file)}, words: ${JSON.stringify(words)}, uid: ${UID}, wall: Date.now,
        store: new ImageStore(${JSON.stringify(store.folder)}), signal: new AbortController().signal,
        watch: { step: () => undefined, copied: () => undefined } })`
    const importer = spawn(process.execPath, ['--input-type=module', '--eval', source], { stdio: 'inherit' })
    const ended = new Promise((resolve) => importer.once('close', resolve))
    const saved = (): number => {
      const state = join(store.folder, 'importing.json')
      return existsSync(state) ? JSON.parse(readFileSync(state, 'utf8')).savedBytes : 0
    }
    await expect.poll(saved, { timeout: 60_000, interval: 5 }).toBeGreaterThanOrEqual(bytes)
    importer.kill('SIGKILL')
    await ended
    await expect.poll(remains, { timeout: 5_000 }).toEqual(['', ''])
  }

  it('by a kill goes on where it was, and is the same image', async () => {
    const file = large()
    await killedAt(file, 256 * MIB)
    expect(await store.list()).toEqual([])
    const { digest } = await take(file, { watch })
    expect([digest, steps]).toEqual([
      `sha256:${await sha256(file)}`,
      ['looking at the file', 'going on at 256 MiB', 'looking at the copy'],
    ])
    expect(await left()).toHaveLength(2)
  })

  it('begins anew where the file is another by now', async () => {
    const file = large()
    await killedAt(file, 256 * MIB)
    sh('mv disk.qcow2 old; cp old disk.qcow2')
    await take(file, { watch })
    expect(steps).toEqual(['looking at the file', 'copying', 'looking at the copy'])
  })

  it.each([
    ['cancelled', { abort: true }, /enough/],
    ['late', { deadlineMs: 900 }, /took longer than 900 ms/],
  ])('when it is %s ends at once with all its processes', async (_, how, says) => {
    const file = large()
    const cancel = new AbortController()
    const copied = () => 'abort' in how && cancel.abort(new Error('enough'))
    const options = 'deadlineMs' in how ? { deadlineMs: how.deadlineMs } : {}
    await expect(
      take(file, { watch: { ...none, copied }, signal: cancel.signal, ...options }),
    ).rejects.toThrow(says)
    expect(remains()).toEqual(['', ''])
    expect((await left()).filter((name) => !name.startsWith('importing.'))).toEqual([])
  })
})

it('where there is no room, that is said before anything is copied', async () => {
  await mkdir(store.folder)
  await writeFile(join(dir, 'disk.qcow2'), dataQcow2())
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'none', store.folder])
  try {
    await expect(take(join(dir, 'disk.qcow2'))).rejects.toMatchObject({
      code: 'disk_full',
      args: { path: store.folder },
    })
    expect((await left()).filter((name) => name.endsWith('.qcow2'))).toEqual([])
  } finally {
    execFileSync('umount', [store.folder])
  }
})

it('two at once are one too many', async () => {
  await writeFile(join(dir, 'disk.qcow2'), dataQcow2())
  const file = join(dir, 'disk.qcow2')
  const [first, second] = await Promise.allSettled([take(file), take(file)])
  expect([first, second].filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  expect([first, second].find(({ status }) => status === 'rejected')).toMatchObject({
    reason: { code: 'too_busy' },
  })
})
