/**
 * What every driver promises, whatever it drives. `makeHost` gives each test a host of its own. With `broken`, the
 * driver is a canary: only the promises named there are tried, and each must be found broken.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Clone, Driver, DriverEvent } from '../../src/agent/drivers/driver.ts'
import { type MachineId, SlipwayError } from '../../src/model/index.ts'
import type { ConformanceHost } from './host.ts'

export function driverConformance(
  name: string,
  makeHost: () => Promise<ConformanceHost>,
  broken?: readonly string[],
): void {
  const promise = (sentence: string, hold: () => Promise<void>): void => {
    if (broken === undefined) test(sentence, hold)
    else if (broken.includes(sentence)) test.fails(sentence, hold)
  }
  let host: ConformanceHost
  let driver: Driver
  const never = new AbortController().signal

  beforeEach(async () => {
    host = await makeHost()
    driver = await host.open()
    await driver.prepare({ signal: never })
  })
  afterEach(async () => {
    await host.close()
  })

  const clone = (
    machine: MachineId,
    { signal = never, step = () => {} }: { signal?: AbortSignal; step?: (name: string) => void } = {},
  ): Promise<Clone> =>
    driver.clone({ machine, spec: host.spec, image: host.image, disk: host.disk, step, signal })
  const deadline = (): { signal: AbortSignal; deadlineMs: number } => ({
    signal: never,
    deadlineMs: host.deadlineMs,
  })
  const left = async (machine: MachineId, of = driver): Promise<readonly string[]> =>
    (await of.list()).filter((resource) => resource.machine === machine).map(({ kind }) => kind)

  describe(`driver ${name}`, () => {
    promise('says what its host can do', async () => {
      const facts = await driver.probe({ signal: never })
      expect(facts.evidence).not.toBe('')
      expect(facts.vcpus).toBeGreaterThan(0)
      expect(facts.memoryMiB).toBeGreaterThan(0)
      expect(facts.diskMiB).toBeGreaterThan(0)
    })

    promise('makes a machine whose guest answers, opens its link, and removes all of it', async () => {
      const machine = host.machine()
      const steps: string[] = []
      const made = await clone(machine, { step: (step) => steps.push(step) })
      expect(made).toMatchObject({ machine, address: expect.any(String), port: expect.any(Number) })
      expect(new Set(steps).size).toBe(steps.length)
      expect(steps.length).toBeGreaterThan(1)

      const guest = driver.guest(machine)
      await guest.sync(deadline())
      const reply = await guest.exec(KIT, ['version'], { stdin: '', ...deadline() })
      expect(reply).toEqual({ exitCode: 0, stdout: 'slipway-kit 1\n', stderr: '' })
      await driver.link(machine, 'up', { signal: never })
      await driver.link(machine, 'down', { signal: never })
      expect(await left(machine)).not.toEqual([])

      await driver.destroy(machine)
      expect(await left(machine)).toEqual([])
    })

    promise('hands the kit its request and gives its answer back', async () => {
      const machine = host.machine()
      await clone(machine)
      const guest = driver.guest(machine)
      await guest.sync(deadline())
      const stdin = `entropy=${'5a'.repeat(64)}\nhostname=${machine}\nhost-key=make\n`
      const reply = await guest.exec(KIT, [], { stdin, ...deadline() })
      expect(reply.exitCode).toBe(0)
      expect(JSON.parse(reply.stdout)).toMatchObject({
        ok: true,
        hostname: machine,
        hostKey: expect.stringMatching(/^ssh-ed25519 AAAA/),
      })
    })

    promise('knows whose guest runs', async () => {
      const [first, second] = [host.machine(), host.machine()]
      await clone(first)
      expect([...(await driver.running())]).toEqual([first])
      await clone(second)
      await driver.destroy(first)
      expect([...(await driver.running())]).toEqual([second])
    })

    promise('destroys what was never there, and again what is gone', async () => {
      const machine = host.machine()
      await driver.destroy(machine)
      await clone(machine)
      await driver.destroy(machine)
      await driver.destroy(machine)
      expect(await left(machine)).toEqual([])
    })

    promise('removes one listed thing at a time, and again what is gone', async () => {
      const machine = host.machine()
      await clone(machine)
      const ours = (await driver.list()).filter((resource) => resource.machine === machine)
      for (const resource of ours) await driver.remove(resource)
      expect(await left(machine)).toEqual([])
      for (const resource of ours) await driver.remove(resource)
      expect([...(await driver.running())]).toEqual([])
    })

    promise('neither lists nor touches what only looks like ours', async () => {
      const changed = await host.plantDecoys()
      expect((await driver.list()).filter((resource) => !resource.kept)).toEqual([])
      expect([...(await driver.running())]).toEqual([])
      const machine = host.machine()
      await clone(machine)
      for (const resource of await driver.list()) if (!resource.kept) await driver.remove(resource)
      await driver.destroy(machine)
      await driver.close()
      expect(await changed()).toEqual([])
    })

    promise('leaves nothing of a clone aborted after any of its steps', async () => {
      const steps: string[] = []
      const whole = host.machine()
      await clone(whole, { step: (step) => steps.push(step) })
      await driver.destroy(whole)
      for (const last of steps.slice(0, -1)) {
        const machine = host.machine()
        const abort = new AbortController()
        const reason = new Error(`aborted after ${last}`)
        const aborted = clone(machine, {
          signal: abort.signal,
          step: (step) => step === last && abort.abort(reason),
        })
        await expect(aborted).rejects.toBe(reason)
        expect(await left(machine), `after ${last}`).toEqual([])
      }
    })

    promise('begins nothing under a signal that is already aborted', async () => {
      const machine = host.machine()
      const reason = new Error('too late')
      await expect(clone(machine, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
      expect(await left(machine)).toEqual([])
    })

    promise('refuses a second machine of the same id and leaves the first alone', async () => {
      const machine = host.machine()
      await clone(machine)
      const before = await left(machine)
      await expect(clone(machine)).rejects.toMatchObject({ code: 'conflict' })
      expect(await left(machine)).toEqual(before)
      expect([...(await driver.running())]).toEqual([machine])
    })

    promise('refuses more memory than the host has, and leaves nothing', async () => {
      const machine = host.machine()
      const spec = { ...host.spec, memoryMiB: 4_000_000 }
      const refused = driver.clone({
        machine,
        spec,
        image: host.image,
        disk: host.disk,
        step: () => {},
        signal: never,
      })
      await expect(refused).rejects.toBeInstanceOf(SlipwayError)
      expect(await left(machine)).toEqual([])
    })

    promise('makes and removes several at once', async () => {
      const machines = [host.machine(), host.machine(), host.machine()]
      await Promise.all(machines.map((machine) => clone(machine)))
      expect(new Set(await driver.running())).toEqual(new Set(machines))
      await Promise.all(machines.map((machine) => driver.destroy(machine)))
      expect((await driver.list()).filter((resource) => !resource.kept)).toEqual([])
    })

    for (const how of ['destroy', 'remove'] as const)
      promise(`finds a half-made machine and can ${how} it`, async () => {
        const machine = host.machine()
        await host.leaveHalf(machine)
        const halves = (await driver.list()).filter((resource) => resource.machine === machine)
        expect(halves).not.toEqual([])
        if (how === 'destroy') await driver.destroy(machine)
        else for (const half of halves) await driver.remove(half)
        expect(await left(machine)).toEqual([])
      })

    for (const kind of ['stopped', 'crashed'] as const)
      promise(`says so when a guest has ${kind}`, async () => {
        const machine = host.machine()
        const reader = new AbortController()
        const events = driver.events({ signal: reader.signal })
        await clone(machine)
        await driver.guest(machine).sync(deadline())
        if (kind === 'stopped') await host.powerOff(machine)
        else await host.crash(machine)
        expect(await first(events)).toMatchObject({ machine, kind })
        reader.abort()
        expect([...(await driver.running())]).toEqual([])
        await driver.destroy(machine)
        expect(await left(machine)).toEqual([])
      })

    promise('ends its events when nobody wants them any more', async () => {
      const reader = new AbortController()
      const events = driver.events({ signal: reader.signal })[Symbol.asyncIterator]()
      const next = events.next()
      reader.abort()
      expect(await next).toEqual({ done: true, value: undefined })
    })

    promise('keeps the last lines of a console, few and clean', async () => {
      const machine = host.machine()
      expect(await driver.console(machine, { lines: 5 })).toEqual([])
      await clone(machine)
      await driver.guest(machine).sync(deadline())
      await host.floodConsole(machine)
      const lines = await driver.console(machine, { lines: 5 })
      expect(lines.length).toBeGreaterThan(0)
      expect(lines.length).toBeLessThanOrEqual(5)
      // biome-ignore lint/suspicious/noControlCharactersInRegex: their absence is the point
      for (const line of lines) expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/)
    })

    promise('refuses to speak with a guest that does not exist', async () => {
      const machine = host.machine()
      await expect(driver.guest(machine).sync(deadline())).rejects.toBeInstanceOf(SlipwayError)
      await expect(driver.link(machine, 'up', { signal: never })).rejects.toBeInstanceOf(SlipwayError)
    })

    promise('prepares and closes as often as it is asked', async () => {
      await driver.prepare({ signal: never })
      const machine = host.machine()
      await clone(machine)
      await driver.close()
      await driver.close()
      driver = await host.open()
      await driver.prepare({ signal: never })
      expect([...(await driver.running())]).toEqual([machine])
      await driver.destroy(machine)
      await driver.close()
    })

    promise('finds after a restart what an earlier driver left', async () => {
      const machine = host.machine()
      const half = host.machine()
      await clone(machine)
      await host.leaveHalf(half)
      const before = await left(machine)
      await driver.close()
      const later = await host.open()
      await later.prepare({ signal: never })
      expect(await left(machine, later)).toEqual(before)
      expect(await left(half, later)).not.toEqual([])
      expect([...(await later.running())]).toEqual([machine])
      await later.guest(machine).sync(deadline())
      await later.destroy(machine)
      await later.destroy(half)
      expect((await later.list()).filter((resource) => !resource.kept)).toEqual([])
    })
  })
}

async function first(events: AsyncIterable<DriverEvent>): Promise<DriverEvent | undefined> {
  for await (const event of events) return event
  return undefined
}

const KIT = '/usr/local/sbin/slipway-kit'
