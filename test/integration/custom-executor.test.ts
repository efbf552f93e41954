/** The real front, a process a stage as the runner starts it, against a played coordinator and a played guest. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { FrontBench, TOKEN } from '../fronts/front-bench.ts'
import { RunnerJobSide } from '../fronts/stage-process.ts'

let bench: FrontBench
beforeEach(async () => {
  bench = await FrontBench.start()
})
afterEach(() => bench[Symbol.asyncDispose]())

const job = (variables = {}, more = {}): Promise<RunnerJobSide> =>
  RunnerJobSide.make({ config: bench.directory, directory: join(bench.directory, 'job'), variables, ...more })

const lease = (): string => bench.leases.names[0] ?? ''

test('config is the JSON the runner reads, and nothing else', async () => {
  const { code, stdout, stderr } = await (await job()).call('config')
  expect([code, stderr]).toEqual([0, ''])
  expect(JSON.parse(stdout)).toMatchObject({
    driver: { name: 'Slipway' },
    builds_dir: '/builds',
    cache_dir: '/cache',
    builds_dir_is_shared: false,
    shell: 'bash',
  })
})

test('a job gets one machine, its scripts run there, and cleanup gives it back', async () => {
  const side = await job({ CI_JOB_IMAGE: 'debian:13' })
  expect((await side.call('prepare')).code).toBe(0)
  expect(bench.leases.lease(lease())).toMatchObject({
    flavor: 'debian',
    image: 'debian-13',
    state: 'granted',
  })
  const script = 'echo out; echo err >&2; cat; echo "after stdin"'
  expect(await side.run('build_script', script)).toEqual({
    code: 0,
    stdout: 'out\nerr\nafter stdin\n',
    stderr: '',
  })
  expect((await side.call('cleanup')).code).toBe(0)
  expect(bench.leases.lease(lease())).toMatchObject({ state: 'ended', end: 'released' })
})

test("a script's exit code is the build's failure, told in the file, over one left by an earlier stage", async () => {
  const side = await job()
  await side.call('prepare')
  expect((await side.run('build_script', 'exit 42')).code).toBe(1)
  expect(await side.exitCode()).toBe('42')
  expect((await side.run('after_script', 'kill -SEGV $$')).code).toBe(1)
  expect(await side.exitCode()).toBe('139')
})

test('a script that leaves a service running has ended all the same', async () => {
  const side = await job()
  await side.call('prepare')
  const startedAtMs = performance.now()
  expect(await side.run('build_script', 'sleep 30 & echo done; exit 3')).toMatchObject({
    code: 1,
    stdout: 'done\n',
  })
  expect(performance.now() - startedAtMs).toBeLessThan(10_000)
})

test.each([
  ['image', { CI_JOB_IMAGE: 'ubuntu:24' }, 'image "ubuntu:24" is not offered to jobs here'],
  ['flavor', { SLIPWAY_FLAVOR: 'huge' }, 'flavor "huge" is not offered to jobs here'],
])('an unknown %s fails the build at once, without asking', async (_kind, variables, text) => {
  const { code, stdout } = await (await job(variables)).call('prepare')
  expect(code).toBe(1)
  expect(stdout).toContain(`error not_offered: ${text}`)
  expect(stdout).toContain('next: use one of: ')
  expect(bench.leases.calls).toEqual([])
})

test('a machine that cannot be made is told with code, timeline and console, and is a system failure', async () => {
  bench.leases.onAsk = (server, name) =>
    server.end(name, 'failed', {
      failure: { code: 'create_failed', args: { machine: 'm-1', step: 'ssh', detail: 'refused' } },
      timeline: [{ step: 'boot', atMs: 812.6 }],
      consoleTail: ['\u001b[31mKernel panic\u001b[0m'],
    })
  const { code, stdout } = await (await job()).call('prepare')
  expect(code).toBe(2)
  expect(stdout).toContain('error create_failed: machine m-1 could not be made: step ssh: refused')
  expect(stdout).toContain('813 ms  boot')
  expect(stdout).toContain('| Kernel panic\n')
  expect(stdout).not.toContain('\u001b')
})

test('each of three tries, with a cleanup after it, begins anew', async () => {
  const machines: unknown[] = []
  for (const tries of [1, 2, 3]) {
    const side = await job({}, { directory: join(bench.directory, `try-${tries}`) })
    expect((await side.call('prepare')).code).toBe(0)
    machines.push(bench.leases.lease(lease())?.machine)
    expect((await side.call('cleanup')).code).toBe(0)
  }
  expect(bench.leases.names).toHaveLength(1)
  expect(new Set(machines).size).toBe(3)
})

test('prepare finds the lease of a try that was cut off', async () => {
  const side = await job()
  await side.call('prepare')
  const { machine } = bench.leases.lease(lease()) ?? {}
  expect((await side.call('prepare')).code).toBe(0)
  expect(bench.leases.lease(lease())?.machine).toBe(machine)
})

test('a job cannot reach the lease of another by naming its ids', async () => {
  await (await job()).call('prepare')
  const thief = await job(
    {
      CI_JOB_ID: '1',
      CI_JOB_TOKEN: 'glcbt-job-token',
      JOB_RESPONSE_FILE: join(bench.directory, 'job/response.json'),
    },
    { id: 2, token: 'glcbt-thief', directory: join(bench.directory, 'thief') },
  )
  await thief.call('prepare')
  expect(bench.leases.names).toHaveLength(2)
  await thief.call('cleanup')
  expect(bench.leases.lease(lease())).toMatchObject({ state: 'granted' })
})

test('a waiting job is told why, and what changes', async () => {
  bench.leases.onAsk = () => undefined
  const preparing = (await job()).start('prepare')
  await bench.leases.called('leaseGet')
  const reason = { code: 'no_capacity', args: { flavor: 'small', detail: 'memory' } } as const
  bench.leases.wait(lease(), { position: 4, making: 2, reason })
  await bench.leases.called('leaseGet')
  bench.leases.grant(lease())
  const { code, stdout } = await preparing.ended
  expect(code).toBe(0)
  expect(stdout).toContain('waiting for a machine of flavor small, position 1; how long is unknown\n')
  expect(stdout).toContain(
    'position 4, 2 in the making, no_capacity: no host has room for flavor small: memory; how long is unknown',
  )
  expect(stdout).toMatch(/machine m-\w+ \(small\) is ready on host h1/)
})

test('a job over the limit of leases waits until another ends', async () => {
  bench.leases.limit = 1
  const first = await job()
  await first.call('prepare')
  const second = await job({}, { id: 2, token: 'glcbt-second', directory: join(bench.directory, 'second') })
  const preparing = second.start('prepare')
  await bench.leases.called('leaseAsk')
  await first.call('cleanup')
  const { code, stdout } = await preparing.ended
  expect(code).toBe(0)
  expect(stdout).toContain('waiting for a lease: runner test already holds its limit of 1\n')
})

test('waiting has a deadline', async () => {
  await using short = await FrontBench.start(() => 'prepare_deadline_s = 1')
  short.leases.onAsk = () => undefined
  const side = await RunnerJobSide.make({ config: short.directory, directory: join(short.directory, 'job') })
  const { code, stderr } = await side.call('prepare')
  expect(code).toBe(2)
  expect(stderr).toContain('error timed_out: waiting for a machine of flavor small took longer than 1000 ms')
})

test("a machine lost under a script is the system's failure, with its code", async () => {
  const side = await job()
  await side.call('prepare')
  const running = await side.startRun('build_script', 'echo started; sleep 600')
  await once(running.child.stdout ?? running.child, 'data')
  bench.guest.crash()
  const failure = { code: 'machine_lost', args: { machine: 'm-1', detail: 'QEMU was killed' } } as const
  bench.leases.end(lease(), 'lost', { failure })
  const { code, stderr } = await running.ended
  expect(code, stderr).toBe(2)
  expect(stderr).toContain('error machine_lost: machine m-1 was lost by its host: QEMU was killed')
})

test('the loss is known from the coordinator even where the connection stays up', async () => {
  const side = await job()
  await side.call('prepare')
  const running = await side.startRun('build_script', 'echo started; sleep 600')
  await once(running.child.stdout ?? running.child, 'data')
  const failure = { code: 'machine_removed', args: { machine: 'm-1' } } as const
  bench.leases.end(lease(), 'lost', { failure })
  const { code, stderr } = await running.ended
  expect(code).toBe(2)
  expect(stderr).toContain('error machine_removed')
})

test("a guest that powers itself off is the job's failure", async () => {
  const side = await job()
  await side.call('prepare')
  const running = await side.startRun('build_script', 'echo started; sleep 600')
  await once(running.child.stdout ?? running.child, 'data')
  bench.guest.crash()
  await delay(200)
  bench.leases.end(lease(), 'lost', { failure: { code: 'machine_stopped', args: { machine: 'm-1' } } })
  const { code, stderr } = await running.ended
  expect(code).toBe(1)
  expect(await side.exitCode()).toBe('1')
  expect(stderr).toContain('error machine_stopped: machine m-1 powered itself off')
})

test('a server with another host key gets neither the script nor a try', async () => {
  const side = await job()
  await side.call('prepare')
  const other = await FrontBench.start()
  const { hostKey } = other.guest.access
  await other[Symbol.asyncDispose]()
  const { access } = bench.guest
  Object.defineProperty(bench.guest, 'access', { get: () => ({ ...access, hostKey }) })
  const { code, stdout, stderr } = await side.run('build_script', 'echo ran')
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toContain('error host_key_mismatch')
})

test('SIGTERM ends the remote script, then the stage, and leaves the lease for cleanup', async () => {
  const side = await job()
  await side.call('prepare')
  const running = await side.startRun(
    'build_script',
    'trap "exit 1" TERM; echo started; while sleep 1; do :; done',
  )
  await once(running.child.stdout ?? running.child, 'data')
  const startedAtMs = performance.now()
  process.kill(-(running.child.pid ?? 0), 'SIGTERM')
  await running.ended
  expect(performance.now() - startedAtMs).toBeLessThan(4_000)
  expect(bench.guest.running).toBe(0)
  expect(bench.leases.lease(lease())).toMatchObject({ state: 'granted' })
})

test.each(['run', 'prepare'])(
  'a runner that dies under %s takes the script and the lease with it',
  async (stage) => {
    const side = await job()
    if (stage === 'run') await side.call('prepare')
    else bench.leases.onAsk = () => undefined
    const script = join(bench.directory, 'script')
    await writeFile(script, 'echo started; sleep 600')
    // A shell plays the runner: it starts the stage in a process group of its own and is killed beside it.
    const words = `setsid "$SLIPWAY" --config "$CONFIG" custom-executor ${stage} ${stage === 'run' ? `${script} x` : ''}`
    const runner = spawn('sh', ['-c', `${words} & echo $!; wait`], {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: {
        ...side.env(),
        SLIPWAY: join(import.meta.dirname, '../../bin/slipway'),
        CONFIG: bench.directory,
      },
    })
    await bench.leases.called(stage === 'run' ? 'leaseAccess' : 'leaseGet')
    await delay(300)
    runner.kill('SIGKILL')
    await bench.leases.called('leaseRelease')
    expect(bench.leases.lease(lease())).toMatchObject({ state: 'ended', end: 'released' })
    expect(bench.guest.running).toBe(0)
  },
)

test('a coordinator that restarts between two stages, and under one, ends no job', async () => {
  const side = await job()
  await side.call('prepare')
  await bench.leases.stop()
  const running = await side.startRun('build_script', 'echo started; sleep 3; echo done')
  await delay(1_000)
  await bench.leases.start()
  await once(running.child.stdout ?? running.child, 'data')
  await bench.leases.stop()
  await delay(500)
  await bench.leases.start()
  expect(await running.ended).toEqual({ code: 0, stdout: 'started\ndone\n', stderr: '' })
})

test('cleanup of a lease that is gone, or never was, is done', async () => {
  const side = await job()
  expect(await side.call('cleanup')).toEqual({ code: 0, stdout: '', stderr: '' })
  await side.call('prepare')
  bench.leases.end(lease(), 'expired')
  expect((await side.call('cleanup')).code).toBe(0)
})

test('no secret is ever printed, whatever fails', async () => {
  const side = await job({ PASSWORD: 'hunter2', CI_JOB_IMAGE: 'debian:12' })
  const { privateKey } = bench.guest.access
  const ends = [
    await side.call('config'),
    await side.call('prepare'),
    await side.run('build_script', 'export PASSWORD=hunter2; exit 3'),
    await side.call('cleanup'),
    await side.run('build_script', 'export PASSWORD=hunter2; exit 3'),
  ]
  await writeFile(join(bench.directory, 'token'), 'wrong-token', { mode: 0o600 })
  ends.push(await side.call('prepare'))
  const text = JSON.stringify(ends)
  for (const secret of [
    TOKEN,
    'wrong-token',
    'glcbt-job-token',
    'hunter2',
    privateKey.split('\n')[1] ?? '',
  ]) {
    expect(text).not.toContain(secret)
  }
  expect(ends.map(({ code }) => code)).toEqual([0, 0, 1, 0, 2, 2])
  expect(ends[5]?.stderr).toContain('error unauthorized')
})
