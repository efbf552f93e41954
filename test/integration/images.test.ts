/** Images with real parts: what qemu-img writes, builds that fail, hang and are killed, and the tiny recipe itself. */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type BuildWatcher, buildImage, ImageStore, readRecipe } from '../../src/agent/images/index.ts'
import { inspectQcow2 } from '../../src/agent/images/qcow2-header.ts'
import { tinyImage } from '../conformance/tiny-image.ts'

const shipped = join(import.meta.dirname, '../../images')
const quiet: BuildWatcher = { step: () => undefined, output: () => undefined }

let dir = ''
let store = new ImageStore('')
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'images-test-'))
  store = new ImageStore(join(dir, 'store'))
})
afterEach(() => rm(dir, { recursive: true }))

describe('the inspector, of files that qemu-img made', () => {
  const make = async (...args: readonly string[]) => {
    const file = join(dir, 'made.qcow2')
    execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', ...args.slice(0, -1), file, args.at(-1) ?? ''])
    const bytes = await readFile(file)
    return inspectQcow2(bytes.subarray(0, 65_536), bytes.length)
  }
  it('lets a plain one in', async () => {
    expect(await make('64M')).toEqual({ flat: true, virtualBytes: 64 * 1024 ** 2 })
    expect(await make('-o', 'cluster_size=2M', '1T')).toMatchObject({ flat: true })
  })
  it.each([
    ['backing_file=/etc/passwd,backing_fmt=raw', 'it names a backing file'],
    ['data_file=DIR/data,data_file_raw=on', 'it keeps its data in another file'],
    ['compression_type=zstd', 'it has a compression type of its own'],
    ['extended_l2=on', 'it has extended second tables'],
    ['compat=0.10', 'it is qcow2 version 2, not 3'],
  ])('refuses %s', async (options, reason) => {
    expect(await make('-o', options.replace('DIR', dir), '64M')).toEqual({ flat: false, reason })
  })
  it('refuses one with a snapshot', async () => {
    await make('64M')
    execFileSync('qemu-img', ['snapshot', '-c', 'one', join(dir, 'made.qcow2')])
    const bytes = await readFile(join(dir, 'made.qcow2'))
    expect(inspectQcow2(bytes, bytes.length)).toEqual({ flat: false, reason: 'it holds snapshots' })
  })
})

describe('a build', () => {
  /** A recipe `odd` whose build is `script`. */
  const recipe = async (script: string) => {
    const folder = join(dir, 'recipes', 'odd')
    await mkdir(folder, { recursive: true })
    const words = await readFile(join(shipped, 'tiny', 'recipe.toml'), 'utf8')
    await writeFile(join(folder, 'recipe.toml'), words.replace('name = "tiny"', 'name = "odd"'))
    await writeFile(join(folder, 'build'), `#!/bin/sh\nset -eu\n${script}\n`)
    await chmod(join(folder, 'build'), 0o755)
  }
  const build = (options: Partial<Parameters<typeof buildImage>[0]> = {}) =>
    buildImage({
      name: 'odd',
      recipes: join(dir, 'recipes'),
      store,
      watch: quiet,
      wall: Date.now,
      signal: new AbortController().signal,
      ...options,
    })
  const left = async () => readdir(store.folder)
  /** Writes its process ids outside, as a process namespace hides them, by holding a file of a telling name open. */
  const linger = () => `exec 9>"${join(dir, 'held')}"; sleep 600 & echo "step: waiting"; sleep 600`
  const holders = () => {
    const found = text('sh', ['-c', 'ls -l /proc/[0-9]*/fd/9 2>/dev/null || true'])
    return found.split('\n').filter((line) => line.endsWith(join(dir, 'held'))).length
  }

  it('says its steps, and gives an image of what it made', async () => {
    await recipe(
      `echo "step: one"; echo other; qemu-img create -q -f qcow2 "$1/disk.qcow2" 64M; echo "step: two"`,
    )
    const said: string[] = []
    const watch = {
      step: (name: string) => said.push(name),
      output: (line: string) => said.push(`> ${line}`),
    }
    const manifest = await build({ watch })
    expect(said).toEqual(['one', '> other', 'two', 'taking the disk into the store'])
    expect(await store.resolve('odd')).toEqual(manifest)
    expect(await left()).toHaveLength(2)
  })

  it('that fails says in which step, and leaves nothing', async () => {
    await recipe('echo "step: fetching"; touch "$2/file"; echo "no such package" >&2; exit 3')
    await expect(build()).rejects.toMatchObject({
      code: 'build_failed',
      args: { image: 'odd', step: 'fetching', detail: 'no such package' },
    })
    expect(await left()).toEqual([])
  })

  it('that makes no flat disk is refused', async () => {
    await recipe('qemu-img create -q -f qcow2 -b /etc/passwd -F raw "$1/disk.qcow2" 64M')
    await expect(build()).rejects.toMatchObject({ code: 'image_refused' })
    expect(await left()).toEqual([])
  })

  it('that is cancelled ends with all its processes and mounts, and leaves nothing', async () => {
    await recipe(`mount -t tmpfs none "$2"; ${linger()}`)
    const cancel = new AbortController()
    const watch = { ...quiet, step: () => cancel.abort(new Error('enough')) }
    await expect(build({ watch, signal: cancel.signal })).rejects.toThrow('enough')
    expect(await left()).toEqual([])
    expect(holders()).toBe(0)
    expect(await readFile('/proc/mounts', 'utf8')).not.toContain(dir)
  })

  it('that takes too long is ended', async () => {
    await recipe(linger())
    await expect(build({ deadlineMs: 500 })).rejects.toMatchObject({ code: 'timed_out' })
    expect(await left()).toEqual([])
    expect(holders()).toBe(0)
  })

  it('whose builder is killed leaves no process, and its folder goes with the next look', async () => {
    await recipe(linger())
    const source = builderSource('odd', join(dir, 'recipes'), store.folder)
    const builder = spawn(process.execPath, ['--input-type=module', '--eval', source], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const ended = new Promise((resolve) => builder.once('close', resolve))
    try {
      await new Promise((resolve) => builder.stdout.once('data', resolve))
      expect(holders()).toBeGreaterThan(0)
      await expect(build()).rejects.toMatchObject({ code: 'too_busy' })
    } finally {
      builder.kill('SIGKILL')
      await ended
    }
    await expect.poll(holders, { timeout: 5_000 }).toBe(0)
    expect((await left()).filter((name) => name.startsWith('making-'))).toHaveLength(1)
    expect(await store.list()).toEqual([])
    expect(await left()).toEqual([])
  })
})

describe('what two machines must not share', () => {
  const check = () => spawnSync(join(shipped, 'disk/unshared'), [join(dir, 'tree')], { encoding: 'utf8' })
  const put = async (path: string, content = 'x') => {
    await mkdir(join(dir, 'tree', path, '..'), { recursive: true })
    await writeFile(join(dir, 'tree', path), content)
  }
  beforeEach(async () => {
    await put('etc/passwd', 'root:x:0:0:root:/root:/bin/sh\nnobody:*:65534:65534::/:/bin/false\n')
    await put('etc/shadow', 'root:*:19000:0:99999:7:::\nsshd:!:19000::::::\n')
    await put('etc/machine-id', '')
    await put('etc/ssh/sshd_config')
  })
  it('is not in a clean tree', () => {
    expect(check()).toMatchObject({ status: 0, stderr: '' })
  })
  it.each([
    ['etc/ssh/ssh_host_ed25519_key', 'x'],
    ['etc/dropbear/dropbear_ed25519_host_key', 'x'],
    ['etc/machine-id', '0123456789abcdef0123456789abcdef\n'],
    ['var/lib/systemd/random-seed', 'x'],
    ['root/.ssh/authorized_keys', 'x'],
    ['home/job/.ssh/id_ed25519', 'x'],
    ['etc/docker/key.json', 'x'],
    ['var/lib/docker/engine-id', 'x'],
    ['etc/apt/auth.conf', 'x'],
    ['root/.netrc', 'x'],
  ])('is found in %s', async (path, content) => {
    await put(path, content)
    expect(check()).toMatchObject({ status: 1, stderr: expect.stringContaining(path) })
  })
  it.each([
    ['etc/shadow', 'root:$y$j9T$abc:19000::::::\n'],
    ['etc/shadow', 'root::19000::::::\n'],
    ['etc/passwd', 'root::0:0:root:/root:/bin/sh\n'],
  ])('is found in the accounts of %s: %j', async (path, content) => {
    await put(path, content)
    expect(check()).toMatchObject({ status: 1, stderr: expect.stringContaining('password of root') })
  })
})

it('a full disk is said before anything is written', async () => {
  await mkdir(store.folder)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'none', store.folder])
  try {
    const recipe = await readRecipe(shipped, 'tiny')
    const { signal } = new AbortController()
    const full = { code: 'disk_full', args: { path: store.folder } }
    const file = tinyImage().disk
    await expect(store.install({ file, recipe, builtAtMs: 0, signal })).rejects.toMatchObject(full)
    const build = { name: 'tiny', recipes: shipped, store, watch: quiet, wall: Date.now, signal }
    await expect(buildImage(build)).rejects.toMatchObject(full)
    expect(await readdir(store.folder)).toEqual([])
  } finally {
    execFileSync('umount', [store.folder])
  }
})

it('the tiny recipe makes an image that is whole', async () => {
  const { disk, dir, manifest } = tinyImage()
  expect(await new ImageStore(dir).resolve('tiny')).toEqual(manifest)
  expect(text('qemu-img', ['check', disk])).toContain('No errors were found')
  expect(`sha256:${text('sha256sum', [disk]).slice(0, 64)}`).toBe(manifest.digest)
})

/** A program that builds an image and prints its steps. */
const builderSource = (name: string, recipes: string, folder: string): string => `
  import { buildImage, ImageStore } from ${JSON.stringify(join(import.meta.dirname, '../../src/agent/images/index.ts'))}
  await buildImage({ name: '${name}', recipes: ${JSON.stringify(recipes)}, wall: Date.now,
    store: new ImageStore(${JSON.stringify(folder)}), signal: new AbortController().signal,
    watch: { step: (name) => console.log(name), output: (line) => console.error(line) } })`

const text = (program: string, args: readonly string[]): string =>
  execFileSync(program, args, { encoding: 'utf8' })
