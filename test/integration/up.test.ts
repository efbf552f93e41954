/** `slipway up` as a person starts it, on the simulated driver: processes, users, sockets and ends are real. */
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { connect } from '../../src/api/index.ts'
import { call, eventually, layOut, type Paths, pidsOf, remove, type Started, start } from '../up/instance.ts'
import { promisedMs } from '../up/patience.ts'

const root = process.getuid?.() === 0
const READY_MS = 20_000
const running: { readonly paths: Paths; readonly up: Started }[] = []

afterEach(async () => {
  for (const { paths, up } of running.splice(0)) {
    up.child.kill('SIGTERM')
    await up.ended
    remove(paths)
  }
})

async function up(options: Partial<Parameters<typeof layOut>[0]> = {}, ...args: readonly string[]) {
  const paths = layOut({ driver: 'simulated', ...options })
  const started = start(paths, ['up', ...args])
  running.push({ paths, up: started })
  return { paths, started, firstLine: await started.firstLine }
}

const childPid = (paths: Paths, name: string): number | undefined => pidsOf('--config', paths.config, name)[0]
const uidOf = (pid: number): string =>
  /^Uid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? ''
const answers = (paths: Paths): Promise<true | undefined> =>
  connect(paths.socket)
    .call('health', {})
    .then(() => true as const)
    .catch(() => undefined)
const hostIsUp = (paths: Paths): Promise<true | undefined> =>
  connect(paths.socket)
    .call('hostList', {})
    .then(({ hosts }) => hosts.some(({ connected }) => connected) || undefined)
    .catch(() => undefined)

test.skipIf(!root)(
  'it says that it is ready, under the users its parts belong to, and ends clean',
  async () => {
    const { paths, started, firstLine } = await up()
    expect(firstLine).toMatch(/^ready: host \w+ \(hardware\)|^ready: host \w+ \(emulated\)/)
    const [coordinator, agent] = [childPid(paths, 'coordinator'), childPid(paths, 'agent')]
    expect(coordinator && uidOf(coordinator)).not.toBe('0')
    expect(agent && uidOf(agent)).toBe('0')
    const modes = ['admin.sock', 'lease.sock', 'agent.sock'].map((name) => {
      const { mode } = statSync(join(paths.run, name))
      return (mode & 0o777).toString(8)
    })
    expect(modes).toEqual(['660', '660', '600'])
    started.child.kill('SIGTERM')
    expect(await started.ended).toEqual({ code: 0, signal: null })
    expect([childPid(paths, 'coordinator'), childPid(paths, 'agent')]).toEqual([undefined, undefined])
    expect(await call(paths, 'audit')).toMatchObject({ code: 0 })
  },
)

test.skipIf(!root)(
  'a killed agent is in control again within 5 s, a killed coordinator within 2 s',
  async () => {
    const { paths } = await up()
    for (const [name, deadlineMs, isBack] of [
      ['agent', 5_000, hostIsUp],
      ['coordinator', 2_000, answers],
    ] as const) {
      const pid = await eventually(`${name} runs`, READY_MS, () => childPid(paths, name))
      process.kill(pid, 'SIGKILL')
      await eventually(`${name} is another`, promisedMs(deadlineMs), () => {
        const now = childPid(paths, name)
        return now === pid ? undefined : now
      })
      await eventually(`${name} serves`, promisedMs(deadlineMs), () => isBack(paths))
    }
  },
)

test.skipIf(!root)('bad configuration is refused with its file, and nothing is left running', async () => {
  const { paths, started } = await up({ agentToml: 'colour = "red"\n' })
  expect(await started.ended).toMatchObject({ code: 1 })
  expect(started.stderr()).toMatch(/error: configuration .*agent\.toml.*colour.*\(bad_config\)\n {2}next: /)
  expect(childPid(paths, 'coordinator')).toBeUndefined()
})

test.skipIf(!root)('a second one for the same directories is refused and disturbs nothing', async () => {
  const { paths } = await up()
  const second = await call(paths, 'up')
  expect(second).toMatchObject({ code: 1, stderr: expect.stringContaining('(coordinator_running)') })
  expect(await answers(paths)).toBe(true)
})

test.skipIf(!root)('with --while-stdin it ends when its parent is gone', async () => {
  const { started } = await up({}, '--while-stdin')
  started.child.stdin?.end()
  expect(await started.ended).toEqual({ code: 0, signal: null })
})

test.skipIf(!root)('killed itself, it leaves no process behind, and the next one starts', async () => {
  const { paths, started } = await up()
  started.child.kill('SIGKILL')
  await started.ended
  await eventually('children end by themselves', READY_MS, () =>
    childPid(paths, 'coordinator') === undefined && childPid(paths, 'agent') === undefined ? true : undefined,
  )
  const again = start(paths, ['up'])
  running.push({ paths, up: again })
  expect(await again.firstLine).toMatch(/^ready/)
})
