/** The agent's process on the simulated driver: real files, real sockets, real time; the test plays the coordinator. */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { WebSocketServer } from 'ws'
import { adopt, auditHost, startAgent } from '../../src/agent/index.ts'
import { packTools } from '../../src/agent/tools.ts'
import type { FromAgent } from '../../src/api/index.ts'
import { fromAgent } from '../../src/api/server.ts'
import { machineOf } from '../agent/world.ts'
import { anySpec } from '../conformance/image.ts'

let dir = ''
const undo: (() => void)[] = []
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'agent-main-'))
  const text = ['state', 'run', 'images'].map((key) => `${key} = "${join(dir, key)}"\n`).join('')
  const socket = join(dir, 'agent.sock')
  await writeFile(
    join(dir, 'agent.toml'),
    `host = "t${process.pid}"\ndriver = "simulated"\ncoordinator = "${socket}"\n${text}`,
  )
})
afterEach(async () => {
  for (const each of undo.splice(0)) each()
  await rm(dir, { recursive: true })
})

async function start() {
  const stop = new AbortController()
  const lines: string[] = []
  const ready = Promise.withResolvers<void>()
  const options = {
    configDir: dir,
    version: '0.1.0',
    onStop: 'destroy',
    log: (line: string) => void lines.push(line),
  } as const
  const ended = startAgent({ ...options, signal: stop.signal, ready: ready.resolve })
  await Promise.race([ready.promise, ended])
  const end = (): Promise<void> => {
    stop.abort()
    return ended
  }
  return { lines, stop: end }
}

/** Says `frames` to the first agent that dials in; resolves with each frame it hears. */
function coordinator(frames: readonly object[]): { heard: FromAgent[] } {
  const heard: FromAgent[] = []
  const server = createServer()
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (line) => {
    line.on('message', (data) => void heard.push(fromAgent.parse(JSON.parse(String(data)))))
    for (const frame of frames) line.send(JSON.stringify(frame))
  })
  server.listen(join(dir, 'agent.sock'))
  undo.push(() => server.close())
  return { heard }
}

async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; !holds(); tries++) {
    if (tries > 500) throw new Error('waited in vain')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

const machine = machineOf(1)
const wanted = (epoch: number, database = '0') => [
  { type: 'welcome', database: `d-${database.repeat(26)}`, epoch },
  {
    type: 'wanted',
    stamp: { epoch, generation: 1 },
    machines: [{ machine, reservation: `r-${machine.slice(2)}`, spec: anySpec, made: false }],
  },
]

it('serves a coordinator from hello to ready, and leaves nothing when it is stopped', async () => {
  const { heard } = coordinator(wanted(1))
  const agent = await start()
  await until(() => heard.some((frame) => frame.type === 'report' && frame.machines[0]?.state === 'ready'))
  expect(heard[0]).toMatchObject({ type: 'hello', host: `t${process.pid}`, machines: [] })
  expect(await readdir(join(dir, 'run', 'records'))).toEqual([`${machine}.json`])
  await agent.stop()
  expect(await readdir(join(dir, 'run', 'records'))).toEqual([])
  expect(agent.lines.join('')).not.toContain('OPENSSH')
  expect(agent.lines.map((line) => JSON.parse(line).msg)).toContain('machine_ready')
})

it('lets no second agent onto the host while the first one lives, nor an audit that would disturb it', async () => {
  const agent = await start()
  await expect(start()).rejects.toMatchObject({ code: 'agent_running', args: { pid: `${process.pid}` } })
  const { signal } = new AbortController()
  await expect(auditHost({ configDir: dir, signal })).rejects.toMatchObject({ code: 'agent_running' })
  await agent.stop()
  expect(await auditHost({ configDir: dir, signal })).toEqual([])
})

it('finds a record that nothing wants any more when no agent runs', async () => {
  const { heard } = coordinator(wanted(1))
  const agent = await start()
  await until(() => heard.some((frame) => frame.type === 'report' && frame.machines[0]?.state === 'ready'))
  const file = join(dir, 'run', 'records', `${machine}.json`)
  const record = await readFile(file)
  await agent.stop()
  await writeFile(file, record)
  const { signal } = new AbortController()
  expect(await auditHost({ configDir: dir, signal })).toEqual([
    { kind: 'record', name: machine, problem: 'unwanted', machine },
  ])
})

it('obeys another database only after adopt', async () => {
  coordinator(wanted(1))
  const first = await start()
  await until(() => first.lines.some((line) => line.includes('machine_ready')))
  await first.stop()
  for (const each of undo.splice(0)) each()
  await rm(join(dir, 'agent.sock'), { force: true })
  coordinator(wanted(1, '1'))
  const second = await start()
  await until(() => second.lines.some((line) => line.includes('other_database')))
  await second.stop()
  await adopt({ configDir: dir })
  const third = await start()
  await until(() => third.lines.some((line) => line.includes('machine_ready')))
  await third.stop()
})

it('packs the tools once into a read-only disk that holds them for everybody to run', async () => {
  const source = join(dir, 'tools')
  await mkdir(source)
  await writeFile(join(source, 'gitlab-runner'), '#!/bin/sh\necho hello\n', { mode: 0o700 })
  await writeFile(join(source, 'notes'), 'text', { mode: 0o600 })
  const options = { source, dir: join(dir, 'disks'), signal: new AbortController().signal }
  const disk = await packTools(options)
  expect((await stat(disk)).mode & 0o777).toBe(0o444)
  const { mtimeMs } = await stat(disk)
  expect(await packTools(options)).toBe(disk)
  expect((await stat(disk)).mtimeMs).toBe(mtimeMs)
  const { stdout } = await promisify(execFile)('debugfs', ['-R', 'ls -l /', disk])
  expect(stdout).toMatch(/100555 .* 0 +0 .* gitlab-runner/)
  expect(stdout).toMatch(/100444 .* notes/)
  await writeFile(join(source, 'notes'), 'other')
  expect(await packTools(options)).not.toBe(disk)
  expect(await readdir(options.dir)).toHaveLength(1)
  await expect(packTools({ ...options, source: '/nowhere' })).rejects.toMatchObject({ code: 'bad_config' })
})
