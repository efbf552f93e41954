/**
 * The guest kit on this host: the same C with `system-recorded.c` in place of `system.c`, so that a folder stands for
 * the machine and what would need its root is written down. Undefined behaviour ends it (UBSan).
 */
import { execFileSync, spawnSync } from 'node:child_process'
import {
  link,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  statfs,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'

let dir = ''
let kit = ''
let root = ''
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'kit-test-'))
  kit = join(dir, 'kit')
  const compile = join(import.meta.dirname, '../../images/kit/compile')
  const env = { ...process.env, CC: 'cc -fsanitize=undefined -fno-sanitize-recover=all' }
  execFileSync(compile, [kit, 'system-recorded'], { env, stdio: 'inherit' })
})
afterAll(() => rm(dir, { recursive: true }))

beforeEach(async () => {
  root = await mkdtemp(join(dir, 'root-'))
  const folders = [
    'etc/ssh',
    'etc/dropbear',
    'root',
    'home/job',
    'sys/block/vda',
    'sys/block/vdb',
    'run',
    'proc/net',
  ]
  for (const folder of folders) await mkdir(join(root, folder), { recursive: true })
  await writeFile(
    join(root, 'etc/passwd'),
    'root:x:0:0:root:/root:/bin/sh\njob:x:1000:1001::/home/job:/bin/sh\n',
  )
  await writeFile(join(root, 'sys/block/vda/serial'), 'other\n')
  await writeFile(join(root, 'sys/block/vdb/serial'), 'slipway-tools\n')
})

const run = (input: string | Uint8Array, env: Record<string, string> = {}) => {
  const { status, stdout, stderr } = spawnSync(kit, [], {
    input,
    env: { KIT_ROOT: root, ...env },
    timeout: 30_000,
  })
  expect(stderr.toString()).toBe('')
  expect(stdout.toString()).toMatch(/^\{.*\}\n$/)
  return { status, answer: JSON.parse(stdout.toString()) }
}
const calls = async (): Promise<readonly string[]> => {
  const text = await readFile(join(root, 'calls'), 'utf8').catch(() => '')
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('chown'))
}

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBpfN0d+3XP6ro5pNR6V63Q0ic5TqOlCOXt6bpoBrZzf'
const good: Readonly<Record<string, string>> = {
  entropy: 'ab'.repeat(64),
  clock: '1790000000123456789',
  'machine-id': '0123456789abcdef0123456789abcdef',
  hostname: 'm-01abc',
  'host-key': 'make',
  'authorized-key': KEY,
  user: 'root',
  tools: 'slipway-tools',
  salt: '00'.repeat(16),
}
const lines = (request: Readonly<Record<string, string>>): string =>
  Object.entries(request)
    .map(([key, value]) => `${key}=${value}\n`)
    .join('')

it('does what is asked in the order that keeps a machine safe, whatever the order of the lines', async () => {
  const turned = Object.fromEntries(Object.entries(good).toReversed())
  const { status, answer } = run(lines(turned))
  expect(status).toBe(0)
  expect(answer.steps.map(({ step }: { step: string }) => step)).toEqual([
    'reseed',
    'clock',
    'machine-id',
    'hostname',
    'host-key',
    'authorized-key',
    'tools',
  ])
  expect(await calls()).toEqual([
    'reseed 64 bytes from ab',
    'clock 1790000000.123456789',
    'hostname m-01abc',
    'mount /dev/vdb on /opt/slipway/tools',
  ])
  expect(await readFile(join(root, 'etc/machine-id'), 'utf8')).toBe('0123456789abcdef0123456789abcdef\n')
  expect(await readFile(join(root, 'etc/hostname'), 'utf8')).toBe('m-01abc\n')
  expect(answer).toMatchObject({ kit: 1, ok: true, machineId: good['machine-id'] })
})

it('moves its clock by what it is behind, either way', async () => {
  for (const shift of [86_400_000_000_000n, -86_400_000_000_000n]) {
    await rm(join(root, 'calls'), { force: true })
    expect(run(`clock-shift=${shift}\n`).answer.ok).toBe(true)
    const [call = ''] = await calls()
    const setMs = Number(/^clock (\d+\.\d{9})$/.exec(call)?.[1]) * 1000
    expect(Math.abs(setMs - (Date.now() + Number(shift) / 1e6))).toBeLessThan(5_000)
  }
  for (const bad of ['', '-', '1.5', '+1', '1e9', ' 1', '9'.repeat(19)])
    expect(run(`clock-shift=${bad}\n`).answer.step, bad).toBe('request')
  expect(run('clock-shift=1\nclock=1790000000123456789\n').answer.step).toBe('request')
})

it('does nothing when nothing is asked', async () => {
  expect(run('').answer).toMatchObject({ ok: true, steps: [] })
  expect(await calls()).toEqual([])
})

it('says its version', () => {
  expect(execFileSync(kit, ['version'], { encoding: 'utf8' })).toBe('slipway-kit 1\n')
})

describe('the host key', () => {
  it('is one that OpenSSH reads, and its public half is what is answered', async () => {
    const { answer } = run('host-key=make\n')
    const file = join(root, 'etc/ssh/ssh_host_ed25519_key')
    const shown = execFileSync('ssh-keygen', ['-y', '-f', file], { encoding: 'utf8' }).trim()
    expect(answer.hostKey).toBe(shown)
    expect(await readFile(`${file}.pub`, 'utf8')).toBe(`${shown}\n`)
    expect((await stat(file)).mode & 0o777).toBe(0o600)
  })

  it('is the same in the form dropbear reads: type, then seed and public half', async () => {
    const { answer } = run('host-key=make\n')
    const bytes = await readFile(join(root, 'etc/dropbear/dropbear_ed25519_host_key'))
    const wire = Buffer.from(answer.hostKey.split(' ')[1], 'base64')
    expect(bytes.length).toBe(4 + 11 + 4 + 64)
    expect(bytes.subarray(4, 15).toString()).toBe('ssh-ed25519')
    expect(bytes.subarray(51)).toEqual(wire.subarray(19))
  })

  it('signs what its public half verifies', async () => {
    run('host-key=make\n')
    const file = join(root, 'etc/ssh/ssh_host_ed25519_key')
    const signature = execFileSync('ssh-keygen', ['-q', '-Y', 'sign', '-n', 'test', '-f', file], {
      input: 'words',
    })
    await writeFile(join(dir, 'signature'), signature)
    const check = ['-Y', 'check-novalidate', '-n', 'test', '-s', join(dir, 'signature')]
    expect(execFileSync('ssh-keygen', check, { input: 'words' }).toString()).toContain(
      'Good "test" signature',
    )
  })

  it('is another one each time', () => {
    const keys = Array.from({ length: 20 }, () => run('host-key=make\n').answer.hostKey)
    expect(new Set(keys).size).toBe(20)
  })

  it('needs a server to be for', async () => {
    for (const folder of ['etc/ssh', 'etc/dropbear']) await rm(join(root, folder), { recursive: true })
    expect(run('host-key=make\n').answer).toMatchObject({ ok: false, step: 'host-key', errno: 2 })
  })
})

describe('the one-time key', () => {
  it('replaces every other key of the user', async () => {
    await mkdir(join(root, 'root/.ssh'))
    await writeFile(join(root, 'root/.ssh/authorized_keys'), 'ssh-ed25519 AAAAold\n')
    run(lines({ 'authorized-key': `${KEY} job@runner` }))
    const file = join(root, 'root/.ssh/authorized_keys')
    expect(await readFile(file, 'utf8')).toBe(`${KEY} job@runner\n`)
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect((await stat(join(root, 'root/.ssh'))).mode & 0o777).toBe(0o700)
  })

  it('belongs to the user it is for', async () => {
    run(lines({ 'authorized-key': KEY, user: 'job' }))
    expect(await readFile(join(root, 'home/job/.ssh/authorized_keys'), 'utf8')).toBe(`${KEY}\n`)
    expect((await readFile(join(root, 'calls'), 'utf8')).split('\n').filter(Boolean)).toEqual([
      'chown 1000:1001',
      'chown 1000:1001',
    ])
  })

  it('goes to no user that is not there', () => {
    expect(run(lines({ 'authorized-key': KEY, user: 'nobody' })).answer).toMatchObject({
      ok: false,
      errno: 2,
    })
  })

  it('follows no link, neither of the folder nor of the file', async () => {
    await mkdir(join(root, 'elsewhere'))
    await symlink('../elsewhere', join(root, 'root/.ssh'))
    expect(run(lines({ 'authorized-key': KEY })).answer).toMatchObject({ ok: false, step: 'authorized-key' })
    expect(await readdir(join(root, 'elsewhere'))).toEqual([])

    await rm(join(root, 'root/.ssh'))
    await mkdir(join(root, 'root/.ssh'))
    await writeFile(join(root, 'elsewhere/file'), 'kept')
    await symlink('../../elsewhere/file', join(root, 'root/.ssh/authorized_keys'))
    expect(run(lines({ 'authorized-key': KEY })).answer).toMatchObject({ ok: true })
    expect(await readFile(join(root, 'elsewhere/file'), 'utf8')).toBe('kept')
  })
})

describe('a machine that is to be frozen', () => {
  const forget = () => run('hostname=template\nforget=all\nuser=root\n')

  it('forgets all that made it itself, and says so by what it does not answer', async () => {
    run(lines(good))
    const { status, answer } = forget()
    expect(status).toBe(0)
    expect(answer).toMatchObject({ ok: true, machineId: '' })
    expect(answer.hostKey).toBeUndefined()
    expect(await readdir(join(root, 'etc/ssh'))).toEqual([])
    expect(await readdir(join(root, 'etc/dropbear'))).toEqual([])
    expect(await readdir(join(root, 'root/.ssh'))).toEqual([])
    expect(await readFile(join(root, 'etc/machine-id'), 'utf8')).toBe('')
    expect(await readFile(join(root, 'etc/hostname'), 'utf8')).toBe('template\n')
    expect((await calls()).slice(-2)).toEqual(['hostname template', 'sync '])
  })

  it('leaves nothing of a key where it stood, whoever holds the file still', async () => {
    run(lines(good))
    const names = ['etc/ssh/ssh_host_ed25519_key', 'etc/dropbear/dropbear_ed25519_host_key']
    for (const [n, name] of names.entries()) await link(join(root, name), join(root, `held${n}`))
    forget()
    for (const n of names.keys()) {
      const left = await readFile(join(root, `held${n}`))
      expect(left.length).toBeGreaterThan(0)
      expect(left.every((byte) => byte === 0)).toBe(true)
    }
  })

  it('removes a link, as D-Bus has one to the machine id, and leaves what it leads to', async () => {
    run(lines(good))
    await mkdir(join(root, 'var/lib/dbus'), { recursive: true })
    await writeFile(join(root, 'elsewhere'), 'kept')
    await symlink('../../../elsewhere', join(root, 'var/lib/dbus/machine-id'))
    expect(forget().answer.ok).toBe(true)
    expect(await readdir(join(root, 'var/lib/dbus'))).toEqual([])
    expect(await readFile(join(root, 'elsewhere'), 'utf8')).toBe('kept')
  })

  it('closes its door first, and removes what it knew it by', async () => {
    await writeFile(join(root, 'run/slipway-door'), '4711\n')
    expect(forget().answer.ok).toBe(true)
    expect(await calls()).toContain('kill 4711')
    expect(await readdir(join(root, 'run'))).toEqual([])
  })

  it('stays as it is while a connection is open', async () => {
    run(lines(good))
    await writeFile(join(root, 'run/slipway-door'), '4711\n')
    const row = '   1: 0200630A:0016 0100630A:C350 01 00000000:00000000 00:00000000 00000000 0 0 9 1\n'
    await writeFile(join(root, 'proc/net/tcp'), row)
    expect(forget().answer).toMatchObject({ ok: false, step: 'close-door', message: expect.anything() })
    expect(await readdir(join(root, 'etc/ssh'))).toHaveLength(2)
  })

  it('leaves its server at the gate, if it has one that waits', async () => {
    await mkdir(join(root, 'usr/sbin'), { recursive: true })
    await writeFile(join(root, 'usr/sbin/sshd'), '', { mode: 0o755 })
    // Not started: it would be this host's own.
    const held = run('forget=all\ndoor=hold\n', { KIT_FAIL: 'fork' })
    expect(held.answer).toMatchObject({ ok: false, step: 'hold-door' })
    expect((await stat(join(root, 'etc/ssh/ssh_host_ed25519_key'))).isFIFO()).toBe(true)
    expect(run('forget=all\n').answer.ok).toBe(true)
    expect(await readdir(join(root, 'etc/ssh'))).toEqual([])
    expect(run('door=hold\n').answer.step).toBe('request')
  })

  it('may be asked again, and when there is nothing to forget', () => {
    expect(forget().answer.ok).toBe(true)
    expect(forget().answer.ok).toBe(true)
  })

  it('is not asked to become itself in the same breath', async () => {
    for (const key of ['machine-id', 'host-key', 'authorized-key'])
      expect(run(`${lines({ [key]: good[key] ?? '' })}forget=all\n`).answer, key).toMatchObject({
        step: 'request',
      })
    expect(run('door=start\nforget=all\n').answer.step).toBe('request')
    expect(run('forget=some\n').answer.step).toBe('request')
    expect(await calls()).toEqual([])
  })
})

it('a sample is hashed with the salt it was asked for, and is another one each time', () => {
  const hashes = Array.from({ length: 20 }, () => run(lines({ salt: good.salt ?? '' })).answer.sampleHash)
  expect(new Set(hashes).size).toBe(20)
  for (const hash of hashes) expect(hash).toMatch(/^[0-9a-f]{64}$/)
})

describe('a step that fails', () => {
  it.each(['reseed', 'clock', 'hostname'])(
    '%s ends it, says why, and nothing after it is done',
    async (call) => {
      const { status, answer } = run(lines(good), { KIT_FAIL: call })
      expect(status).toBe(1)
      expect(answer).toEqual({ kit: 1, ok: false, step: call, errno: 1, message: 'Operation not permitted' })
      expect(await readdir(join(root, 'root'))).toEqual([])
    },
  )

  it('tools: no disk has that serial', () => {
    expect(run('tools=nothing\n').answer).toMatchObject({ ok: false, step: 'tools', errno: 19 })
  })

  it('door: there is no server', () => {
    expect(run('door=start\n').answer).toMatchObject({ ok: false, step: 'door', errno: 2 })
  })
})

describe('the door', () => {
  const serve = async (script: string, server = 'sshd') => {
    await mkdir(join(root, 'usr/sbin'), { recursive: true })
    await writeFile(join(root, 'usr/sbin', server), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  }
  const listening =
    '   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1\n'

  it('stays shut if somebody listens already', async () => {
    await serve('exit 0')
    await writeFile(join(root, 'proc/net/tcp'), `  sl  local_address\n${listening}`)
    expect(run('door=start\n').answer).toMatchObject({ ok: false, step: 'door', errno: 98 })
    expect(await calls()).toEqual([])
  })

  it('is open if what listens is a dropbear that was held; a held sshd has a gate to go through', async () => {
    await writeFile(join(root, 'proc/net/tcp'), listening)
    await writeFile(join(root, 'run/slipway-door'), `${process.pid}\n`)
    await serve('exit 0')
    expect(run('door=start\n').answer).toMatchObject({ ok: false, errno: 98 })
    await serve('exit 0', 'dropbear')
    expect(run('door=start\n').answer).toMatchObject({ ok: true })
    const { pid: ended } = spawnSync('true')
    await writeFile(join(root, 'run/slipway-door'), `${ended}\n`)
    expect(run('door=start\n').answer).toMatchObject({ ok: false, errno: 98 })
    expect(await calls()).toEqual([])
  })

  it.each([
    ['another port', listening.replace(':0016', ':0017')],
    ['a connection', listening.replace(' 0A ', ' 01 ')],
    ['a far port', listening.replace('00000000:0000', '00000000:0016').replace(':0016', ':1234')],
  ])('takes %s for no server: it would start one', async (_, line) => {
    await serve('exit 0')
    await writeFile(join(root, 'proc/net/tcp'), line)
    expect(run('door=start\n', { KIT_FAIL: 'fork' }).answer).toMatchObject({
      ok: false,
      step: 'door',
      errno: 1,
    })
  })
})

describe('growing', () => {
  const MIB_SECTORS = 2048
  /** A disk of that many MiB, its root partition from 16 MiB to 512 MiB, and `others` in the table as [start, MiB]. */
  const disk = async (sizeMiB: number, others: readonly (readonly [number, number])[] = [[1, 15]]) => {
    const { dev } = await stat(root)
    const partition = join(
      root,
      `sys/dev/block/${(dev >> 8) & 0xfff}:${(dev & 0xff) | ((dev >> 12) & 0xfff00)}`,
    )
    await mkdir(partition, { recursive: true })
    const words = {
      partition: 1,
      start: 16 * MIB_SECTORS,
      size: 496 * MIB_SECTORS,
      '../size': sizeMiB * MIB_SECTORS,
    }
    for (const [name, value] of Object.entries(words)) await writeFile(join(partition, name), `${value}\n`)
    await writeFile(join(partition, '../uevent'), 'MAJOR=254\nMINOR=0\nDEVNAME=vda\nDEVTYPE=disk\n')
    const table = Buffer.alloc(512)
    table.writeUInt16LE(0xaa55, 510)
    for (const [index, [start, size]] of [[16, 496] as const, ...others].entries()) {
      const at = 446 + 16 * index
      table.writeUInt8(0x83, at + 4)
      table.writeUInt32LE(start * MIB_SECTORS, at + 8)
      table.writeUInt32LE(size * MIB_SECTORS, at + 12)
    }
    await mkdir(join(root, 'dev'), { recursive: true })
    await writeFile(join(root, 'dev/vda'), table)
    return table
  }
  const grow = () => spawnSync(kit, ['grow'], { env: { KIT_ROOT: root }, encoding: 'utf8' })
  const onDisk = () => readFile(join(root, 'dev/vda'))

  it('gives the root file system all of a larger disk', async () => {
    const table = await disk(1024)
    expect(grow()).toMatchObject({ status: 0, stderr: '' })
    table.writeUInt32LE(1008 * MIB_SECTORS, 446 + 12)
    expect(await onDisk()).toEqual(table)
    const blockBytes = (await statfs(root)).bsize
    expect(await calls()).toEqual([
      `partition 1 at ${16 * 1024 ** 2} to ${1008 * 1024 ** 2}`,
      `file-system ${(1008 * 1024 ** 2) / blockBytes} blocks`,
    ])
  })

  it('stops at what the table can say', async () => {
    await disk(8 * 1024 ** 2)
    expect(grow()).toMatchObject({ status: 0 })
    expect((await onDisk()).readUInt32LE(446 + 12)).toBe((2 ** 21 - 1 - 16) * MIB_SECTORS)
  })

  it('does nothing on a disk as it was made, nor where the root is on no partition', async () => {
    expect(grow()).toMatchObject({ status: 0, stderr: '' })
    const table = await disk(512)
    expect(grow()).toMatchObject({ status: 0, stderr: '' })
    expect(await onDisk()).toEqual(table)
    expect(await calls()).toEqual([])
  })

  it('touches nothing when another partition is in the way, or the table is another', async () => {
    const table = await disk(1024, [[600, 100]])
    expect(grow().stderr).toContain('Device or resource busy')
    expect(await onDisk()).toEqual(table)
    await writeFile(join(root, 'dev/vda'), Buffer.alloc(512))
    expect(grow().stderr).toContain('Invalid argument')
    await writeFile(join(root, 'dev/vda'), table.fill(0xff, 446, 462))
    expect(grow()).toMatchObject({ status: 1 })
    expect(await calls()).toEqual([])
  })
})

describe('a request that is refused', () => {
  const refusals: readonly (readonly [string, string, string])[] = [
    ['an unknown key', 'colour=red\n', 'line 1: unknown key'],
    ['a line that is none', 'hello\n', 'line 1: not of the form key=value'],
    ['an empty line', '\n', 'line 1: not of the form key=value'],
    ['a key given twice', 'hostname=a\nhostname=b\n', 'line 2: key given twice'],
    ['a line cut off', 'hostname=a', 'line 1: cut off: no line end'],
    ['a zero byte', 'hostname=a\0\n', 'line 1: holds a zero byte'],
    ['a user without a key', 'user=root\n', 'line 2: user without authorized-key'],
    ['a carriage return', 'hostname=a\r\n', 'line 1: value not allowed for this key'],
  ]
  it.each(refusals)('%s', (_, input, message) => {
    const { status, answer } = run(input)
    expect(status).toBe(1)
    expect(answer).toEqual({ kit: 1, ok: false, step: 'request', errno: 22, message })
  })

  const values: Readonly<Record<string, readonly string[]>> = {
    entropy: [
      '',
      'ab',
      'ab'.repeat(31),
      'ab'.repeat(513),
      `${'ab'.repeat(40)}a`,
      'AB'.repeat(40),
      'zz'.repeat(40),
    ],
    clock: [
      '',
      '0',
      '1790000000',
      '-790000000000000000',
      '9999999999999999999',
      '179000000012345678x',
      '0790000000123456789',
    ],
    'machine-id': ['', '0'.repeat(32), 'a'.repeat(31), 'a'.repeat(33), 'G'.repeat(32)],
    hostname: [
      '',
      '-a',
      'a-',
      'a..b',
      '.a',
      'a.',
      'a_b',
      'a b',
      '../x',
      'x'.repeat(64),
      `${'a.'.repeat(40)}a`,
      'é',
      '$(id)',
    ],
    'host-key': ['', 'keep', 'make '],
    'authorized-key': [
      '',
      'ssh-rsa AAAA',
      `command="id" ${KEY}`,
      KEY.slice(0, -1),
      `${KEY}x`,
      `${KEY} a b`,
      `${KEY} ${'x'.repeat(400)}`,
      `${KEY} "`,
    ],
    user: ['', 'Root', '0root', '../root', 'a:b', 'x'.repeat(33)],
    tools: ['', 'x'.repeat(21), '../vda', 'a b'],
    door: ['', 'stop'],
    salt: ['', '00'.repeat(15), '00'.repeat(65), '0'.repeat(33)],
  }
  it.each(Object.entries(values).flatMap(([key, bad]) => bad.map((value) => [key, value] as const)))(
    '%s=%s',
    async (key, value) => {
      const { answer } = run(lines({ ...good, [key]: value }))
      expect(answer).toMatchObject({ ok: false, step: 'request', errno: 22 })
      if (value.length > 3) expect(JSON.stringify(answer)).not.toContain(value)
      expect(await calls()).toEqual([])
      expect(await readdir(join(root, 'root'))).toEqual([])
    },
  )

  it('one longer than any request', () => {
    expect(run('x'.repeat(8_193)).answer).toMatchObject({ ok: false, step: 'request', errno: 27 })
    expect(run('x'.repeat(100_000)).answer).toMatchObject({ ok: false, step: 'request', errno: 27 })
  })

  it('anything else, without a crash', () => {
    const key = fc.constantFrom(...Object.keys(good), 'door', 'x')
    const value = fc.oneof(fc.constantFrom(...Object.values(good)), fc.string({ maxLength: 80 }))
    const line = fc.tuple(key, value).map(([key, value]) => `${key}=${value}`)
    const request = fc.array(line, { maxLength: 12 }).map((lines) => `${lines.join('\n')}\n`)
    const bytes = fc.uint8Array({ maxLength: 300 })
    const env = { KIT_FAIL: 'fork' }
    fc.assert(
      fc.property(fc.oneof(request, bytes), (input) => {
        const { status, answer } = run(input, env)
        expect(status).toBe(answer.ok ? 0 : 1)
      }),
      { numRuns: 200 },
    )
  })
})
