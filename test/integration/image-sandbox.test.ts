/** What a process in the inspector's sandbox can do, tried by one that tries; and that root and QEMU open nothing before it. */
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ImageStore, importImage } from '../../src/agent/images/index.ts'
import { nameFile } from '../../src/agent/images/partial.ts'
import { dataQcow2 } from '../../src/agent/images/qcow2-sample.ts'
import { runInspector } from '../../src/agent/images/sandbox.ts'

const UID = 216_385
const MIB = 1024 * 1024

let dir = ''
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sandbox-test-'))
  await mkdir(join(dir, 'root'))
  await mkdir(join(dir, 'program'))
  await writeFile(join(dir, 'source'), 'of the source', { mode: 0o600 })
})
afterEach(() => rm(dir, { recursive: true }))

interface Tried {
  readonly said: readonly unknown[]
  readonly end: string
}

/** Runs `script` where the inspector runs; `say(value)` in it is one line of what it says. */
async function inside(
  script: string,
  options: { bytes?: number; target?: boolean; signal?: AbortSignal } = {},
): Promise<Tried> {
  const head = `const fs = require('node:fs'), net = require('node:net'), { spawnSync, spawn } = require('node:child_process')
    const say = (value) => fs.writeSync(1, JSON.stringify(value) + '\\n')
    const tried = (work) => { try { return work() } catch (error) { return error.code ?? String(error) } }\n`
  await writeFile(join(dir, 'program', 'probe.cjs'), head + script)
  await using source = await nameFile(join(dir, 'source'))
  const path = join(dir, 'target')
  await writeFile(path, '', { mode: 0o600 })
  execFileSync('chown', [`${UID}:${UID}`, path])
  await using target = options.target ? await nameFile(path) : undefined
  const said: unknown[] = []
  const end = await runInspector({
    ...{ role: [], uid: UID, mountPoint: join(dir, 'root'), source, bytes: options.bytes ?? MIB },
    ...(target === undefined ? {} : { target }),
    said: (line) => said.push(JSON.parse(line)),
    signal: options.signal ?? AbortSignal.timeout(60_000),
    program: { folder: join(dir, 'program'), file: 'probe.cjs' },
  })
  return { said, end }
}

const processes = () =>
  spawnSync('ps', ['-o', 'pid=', '--user', `${UID}`], { encoding: 'utf8' }).stdout.trim()

describe('a process in the sandbox', () => {
  it('has a uid of its own, no rights and no way to any, and a filter of system calls', async () => {
    const { said } = await inside(`const status = fs.readFileSync('/proc/self/status', 'utf8')
      const field = (name) => new RegExp('^' + name + ':[ \\\\t]*(.*)$', 'm').exec(status)[1]
      say(['Uid', 'Gid', 'Groups', 'CapEff', 'CapPrm', 'CapInh', 'CapAmb', 'NoNewPrivs', 'Seccomp'].map(field))`)
    const none = '0'.repeat(16)
    const id = [UID, UID, UID, UID].join('\t')
    expect(said).toEqual([[id, id, '', none, none, none, none, '1', '2']])
  })

  it('reads the file it was handed, whoever it belongs to, and no other', async () => {
    const { said } = await inside(`say(fs.readFileSync(4, 'utf8'))
      say(tried(() => fs.writeSync(4, 'x')))
      say(fs.readdirSync('/').sort())
      say([...fs.readdirSync('/program'), ...fs.readdirSync('/dev')])
      for (const path of ['/etc/passwd', '/root', '/home', '/var', '/tmp', '/srv', '/sys', ${JSON.stringify(dir)}]) say(tried(() => fs.readdirSync(path)))
      for (const path of ['/x', '/program/x', '/usr/x', '/proc/sys/kernel/x']) say(tried(() => fs.writeFileSync(path, '')))`)
    const [content, written, root, program, ...rest] = said
    expect([content, written, program]).toEqual(['of the source', 'EBADF', ['probe.cjs', 'null']])
    expect(root).toEqual(
      ['bin', 'dev', 'lib', 'lib64', 'node', 'proc', 'program', 'sbin', 'usr'].filter((name) =>
        (root as string[]).includes(name),
      ),
    )
    expect(rest.slice(0, 8)).toEqual(Array(8).fill('ENOENT'))
    expect(rest.slice(8).every((code) => ['EROFS', 'ENOENT', 'EACCES', 'EPERM'].includes(String(code)))).toBe(
      true,
    )
  })

  it('has no network, sees no process but its own, and starts nothing of more rights', async () => {
    const { said } =
      await inside(`say(fs.readFileSync('/proc/net/dev', 'utf8').split('\\n').slice(2).map((line) => line.split(':')[0].trim()).filter(Boolean))
      say(fs.readdirSync('/proc').filter((name) => /^\\d+$/.test(name)).length < 8)
      net.connect({ port: 22, host: '127.0.0.1' }).on('error', ({ code }) => {
        say(code)
        say(spawnSync('/usr/bin/unshare', ['--user', 'true']).status)
        say(spawnSync('/usr/bin/mount', ['-t', 'tmpfs', 'x', '/proc']).status)
      })`)
    const [interfaces, alone, connected, unshared, mounted] = said
    expect([interfaces, alone, connected]).toEqual([['lo'], true, 'EPERM'])
    expect([unshared === 0, mounted === 0]).toEqual([false, false])
  })

  it('has so much memory and no more', async () => {
    const { end } = await inside(`const all = []; for (;;) all.push(Buffer.alloc(16 * 1024 * 1024, 1))`)
    expect(end).not.toBe('')
    const { end: heap } = await inside(`const all = []; for (;;) all.push({ all: [all.length] })`)
    expect(heap).toMatch(/SIG|code/)
  })

  it('writes the copy and nothing beyond its size', async () => {
    const { said } = await inside(
      `fs.writeSync(5, Buffer.alloc(1000)); process.on('SIGXFSZ', () => {}); say(tried(() => fs.writeSync(5, Buffer.alloc(4096), 0, 4096, 2000)) )`,
      { target: true, bytes: 2048 },
    )
    expect((await stat(join(dir, 'target'))).size).toBeLessThanOrEqual(2048)
    expect(said).not.toEqual([4096])
  })

  it('starts so many processes and no more, and all end with it', async () => {
    const { said } = await inside(`let failed = 0
      for (let i = 0; i < 100; i++) { const child = spawn('/usr/bin/sleep', ['600']); child.on('error', () => failed++) ; child.unref() }
      setTimeout(() => { say(failed > 0); process.exit(0) }, 500)`)
    expect(said).toEqual([true])
    expect(processes()).toBe('')
  })

  it('ends when it is told to, whatever it does', async () => {
    const cancel = new AbortController()
    const ended = inside(`spawn('/usr/bin/sleep', ['600']); say('up'); for (;;) ;`, { signal: cancel.signal })
    setTimeout(() => cancel.abort(new Error('enough')), 1_000)
    await expect(ended).rejects.toThrow('enough')
    await expect.poll(processes, { timeout: 5_000 }).toBe('')
  })
})

describe('before a file has passed', () => {
  const words = {
    name: 'user',
    version: '1',
    os: 'linux',
    arch: 'x86_64',
    firmware: 'bios',
    user: 'root',
  } as const
  const take = (file: string) =>
    importImage({
      ...{ file, words, store: new ImageStore(join(dir, 'store')), uid: UID, wall: Date.now },
      watch: { step: () => undefined, copied: () => undefined },
      signal: new AbortController().signal,
    })

  it('a pipe is not opened: who waits for a reader waits on', async () => {
    const pipe = join(dir, 'pipe')
    execFileSync('mkfifo', [pipe])
    const writer = spawn('sh', ['-c', `exec 3>"${pipe}"; echo opened`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let opened = false
    writer.stdout.on('data', () => {
      opened = true
    })
    try {
      await expect(take(pipe)).rejects.toMatchObject({ code: 'image_refused' })
      await new Promise((resolve) => setTimeout(resolve, 300))
      expect(opened).toBe(false)
    } finally {
      writer.kill('SIGKILL')
    }
  })

  it.skipIf(spawnSync('strace', ['-V']).error !== undefined)(
    'root names it and never opens it; its reader has given up root by then; no program of QEMU runs',
    async () => {
      await writeFile(join(dir, 'disk.qcow2'), dataQcow2(), { mode: 0o600 })
      await chmod(dir, 0o700)
      const main = join(import.meta.dirname, '../../src/cli/main.ts')
      await writeFile(
        join(dir, 'agent.toml'),
        `images = "${dir}/store"\nrun = "${dir}/run"\nstate = "${dir}/state"\n`,
      )
      await writeFile(join(dir, 'coordinator.toml'), `run = "${dir}/run"\n`)
      const log = join(dir, 'calls')
      const traced = ['-ff', '-y', '-e', 'trace=open,openat,execve,setresuid', '-e', 'signal=none', '-o', log]
      const call = [process.execPath, main, 'image', 'import', join(dir, 'disk.qcow2'), '--config', dir]
      execFileSync('strace', [...traced, ...call], { stdio: 'pipe' })
      const logs = (await readdir(dir)).filter((name) => name.startsWith('calls.'))
      const lines = logs.flatMap((name) => {
        let isRoot = true
        return execFileSync('cat', [join(dir, name)], { encoding: 'utf8' })
          .split('\n')
          .map((line) => {
            if (/setresuid\(.*= 0/.test(line)) isRoot = false
            return { line, isRoot }
          })
      })
      const opens = lines.filter(
        ({ line }) =>
          /^open.*disk(\.qcow2)?"|^open.*importing\.disk"|\/proc\/self\/fd\/[34]"/.test(line) &&
          !line.includes('ENOENT'),
      )
      const asRoot = opens.filter(
        ({ line, isRoot }) => isRoot && !line.includes('O_PATH') && !line.includes('O_CREAT'),
      )
      expect(asRoot).toEqual([])
      // Twice the file, once to write the copy, once to read it.
      expect(opens.filter(({ isRoot }) => !isRoot)).toHaveLength(4)
      expect(lines.filter(({ line }) => /execve\("[^"]*qemu/.test(line) && line.includes('= 0'))).toEqual([])
    },
  )
})
