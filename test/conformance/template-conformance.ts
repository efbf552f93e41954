/** What every driver that can freeze machines promises of templates. As `driver-conformance.ts`, canaries included. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Clone, type Driver, TEMPLATE_STEPS, type Template } from '../../src/agent/drivers/driver.ts'
import { type MachineId, parseId, shapeOf } from '../../src/model/index.ts'
import type { ConformanceHost } from './host.ts'

const LOOKS_MAX = 10_000

export function templateConformance(
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

  const deadline = () => ({ signal: never, deadlineMs: host.deadlineMs })
  const build = ({
    warm = async (guest: Clone) => driver.guest(guest.machine).sync(deadline()),
    step = (_name: string): void => {},
    signal = never,
  } = {}): Promise<Template> => {
    const { image, disk, spec } = host
    return driver.buildTemplate({ shape: shapeOf(spec), image, disk, forbidden: [], warm, step, signal })
  }
  const clone = (
    machine: MachineId,
    { id: template }: Pick<Template, 'id'>,
    { signal = never, step = (_name: string): void => {} } = {},
  ): Promise<Clone> => {
    const { image, disk, spec } = host
    return driver.clone({ machine, spec, image, disk, template, step, signal })
  }
  const makeHull = (
    template: Template,
    rehearse = (machine: MachineId): Promise<void> => driver.guest(machine).sync(deadline()),
  ): Promise<MachineId> => {
    const { image, disk } = host
    return driver.makeHull({ template, image, disk, rehearse, signal: never })
  }
  const overlays = async () => (await driver.list()).filter(({ kind }) => kind === 'overlay')
  /** No timer: a simulated host's time would fly meanwhile. */
  const looksUntil = async (holds: (overlays: number) => boolean): Promise<void> => {
    for (let looks = 0; looks < LOOKS_MAX; looks++) if (holds((await overlays()).length)) return
    throw new Error('it never came to that')
  }
  const leaked = async (of = driver) => (await of.list()).filter(({ kept }) => !kept)

  describe(`templates of driver ${name}`, () => {
    promise('says how it makes machines', async () => {
      const { cloning } = await driver.probe({ signal: never })
      expect(cloning.mode).not.toBe('cold')
      expect(cloning.evidence).not.toBe('')
    })

    promise('names what a template depends on', async () => {
      const shape = shapeOf(host.spec)
      const key = await driver.templateKey(shape, {})
      expect(key).toMatch(/^[0-9a-f]{64}$/)
      expect(await driver.templateKey({ ...shape }, {})).toBe(key)
      const others = [
        { ...shape, vcpus: shape.vcpus + 1 },
        { ...shape, memoryMiB: shape.memoryMiB * 2 },
        { ...shape, diskGiB: shape.diskGiB + 1 },
        { ...shape, sharing: 'none' as const },
        { ...shape, trustDomain: parseId('TrustDomain', 'other') },
        { ...shape, image: parseId('ImageDigest', `sha256:${'1'.repeat(64)}`) },
      ]
      const keys = await Promise.all(others.map((other) => driver.templateKey(other, {})))
      expect(new Set([key, ...keys]).size).toBe(others.length + 1)
    })

    promise('freezes a machine, of which nothing is left', async () => {
      const steps: string[] = []
      const during: unknown[] = []
      const warm = async (guest: Clone): Promise<void> => {
        await driver.guest(guest.machine).sync(deadline())
        during.push(...(await leaked()), ...(await driver.running()), ...(await driver.templates()))
      }
      const template = await build({ warm, step: (step) => steps.push(step) })
      expect(during).toEqual([])
      expect(steps).toEqual(TEMPLATE_STEPS)
      expect(await leaked()).toEqual([])
      expect(await driver.templates()).toEqual([template])
      expect(template).toMatchObject({ shape: shapeOf(host.spec), clones: 0 })
      expect(template.key).toBe(await driver.templateKey(shapeOf(host.spec), {}))
      expect(template.diskMiB).toBeGreaterThan(0)
    })

    promise('makes machines of it that answer, counts them, and keeps it while they live', async () => {
      const template = await build()
      const machines = [host.machine(), host.machine()]
      for (const machine of machines) {
        await clone(machine, template)
        const guest = driver.guest(machine)
        await guest.sync(deadline())
        const stdin = `entropy=${'5a'.repeat(64)}\nhostname=${machine}\nhost-key=make\n`
        const { stdout } = await guest.exec('/usr/local/sbin/slipway-kit', [], { stdin, ...deadline() })
        expect(JSON.parse(stdout)).toMatchObject({ ok: true, hostname: machine })
      }
      expect(new Set(await driver.running())).toEqual(new Set(machines))
      expect(await driver.templates()).toMatchObject([{ id: template.id, clones: 2 }])
      await expect(driver.removeTemplate(template.id)).rejects.toMatchObject({ code: 'conflict' })
      for (const machine of machines) await driver.destroy(machine)
      expect(await leaked()).toEqual([])
      await driver.removeTemplate(template.id)
      await driver.removeTemplate(template.id)
      expect(await driver.templates()).toEqual([])
    })

    promise('refuses a template that is not there, and leaves nothing', async () => {
      const id = parseId('TemplateId', `t-${'0'.repeat(26)}`)
      await expect(clone(host.machine(), { id })).rejects.toMatchObject({ code: 'not_found' })
      expect(await leaked()).toEqual([])
    })

    promise('leaves nothing of a build that is aborted or whose warming fails', async () => {
      for (const last of ['started', 'frozen']) {
        const abort = new AbortController()
        const reason = new Error(`aborted after ${last}`)
        const step = (step: string): void => {
          if (step === last) abort.abort(reason)
        }
        await expect(build({ signal: abort.signal, step }), last).rejects.toBe(reason)
        expect(await leaked(), last).toEqual([])
      }
      const failure = new Error('cold')
      await expect(build({ warm: () => Promise.reject(failure) })).rejects.toBe(failure)
      expect(await leaked()).toEqual([])
      expect([...(await driver.running())]).toEqual([])
      expect(await driver.templates()).toEqual([])
    })

    promise('leaves nothing of a clone aborted after any of its steps', async () => {
      const template = await build()
      const steps: string[] = []
      const whole = host.machine()
      await clone(whole, template, { step: (step) => steps.push(step) })
      await driver.destroy(whole)
      expect(steps).toContain('loaded')
      for (const last of steps.slice(0, -1)) {
        const abort = new AbortController()
        const reason = new Error(`aborted after ${last}`)
        const step = (step: string): void => {
          if (step === last) abort.abort(reason)
        }
        await expect(clone(host.machine(), template, { signal: abort.signal, step }), last).rejects.toBe(
          reason,
        )
        expect(await leaked(), last).toEqual([])
      }
      expect(await driver.templates()).toMatchObject([{ id: template.id, clones: 0 }])
    })

    promise('makes hulls of it, which are nobody’s machines until they are launched', async () => {
      const template = await build()
      const hull = await makeHull(template)
      expect(await driver.templates()).toEqual([{ ...template, hulls: [hull] }])
      expect([...(await driver.running())]).toEqual([])
      expect(await leaked()).toEqual([])
      const steps: string[] = []
      await clone(hull, template, { step: (step) => steps.push(step) })
      expect(steps[0]).toBe('hull')
      expect(steps).not.toContain('overlay')
      await driver.guest(hull).sync(deadline())
      expect([...(await driver.running())]).toEqual([hull])
      expect(await driver.templates()).toEqual([{ ...template, clones: 1 }])
      await expect(driver.removeTemplate(template.id)).rejects.toMatchObject({ code: 'conflict' })
      await driver.destroy(hull)
      expect(await leaked()).toEqual([])
    })

    promise('lists nothing of a hull that comes or goes meanwhile as anybody’s', async () => {
      const template = await build()
      let churning = true
      const churn = async (): Promise<void> => {
        for (let round = 0; round < 3; round++) {
          const hulls = [await makeHull(template), await makeHull(template)]
          await Promise.all(hulls.map((hull) => driver.dropHull(hull)))
        }
      }
      const watch = async (): Promise<void> => {
        while (churning) expect(await leaked()).toEqual([])
      }
      const churned = churn().finally(() => {
        churning = false
      })
      await Promise.all([churned, watch(), watch(), watch()])
      expect(await overlays()).toEqual([])
    })

    promise('takes hulls away one by one, with their template, and with itself', async () => {
      const template = await build()
      const [one, other] = [await makeHull(template), await makeHull(template)]
      await driver.destroy(one)
      expect(await driver.templates()).toEqual([{ ...template, hulls: [other] }])
      await driver.removeTemplate(template.id)
      expect(await driver.templates()).toEqual([])
      const next = await build()
      await makeHull(next)
      await driver.close()
      driver = await host.open()
      await driver.prepare({ signal: never })
      expect(await leaked()).toEqual([])
      const found = () => driver.templates()
      await expect.poll(found, { timeout: host.deadlineMs }).toEqual([{ ...next, hulls: [] }])
    })

    promise('ends the making of a hull whose template is removed, and leaves nothing of either', async () => {
      for (const moment of host.rehearses ? ['begun', 'rehearsing'] : ['begun']) {
        const template = await build()
        const stock = await makeHull(template)
        let rehearsing = false
        const making = makeHull(template, () => {
          rehearsing = true
          return new Promise(() => {})
        })
        making.catch(() => {})
        await looksUntil((overlays) => (moment === 'begun' ? overlays === 2 : rehearsing))
        expect(await driver.templates(), moment).toEqual([{ ...template, hulls: [stock] }])
        await Promise.all([driver.dropHull(stock), driver.removeTemplate(template.id)])
        await expect(making, moment).rejects.toMatchObject({ code: 'cancelled' })
        expect(await driver.templates(), moment).toEqual([])
        expect(await overlays(), moment).toEqual([])
        expect(await leaked(), moment).toEqual([])
      }
      expect([...(await driver.running())]).toEqual([])
    })

    promise('remembers over a restart whose successor is wanted, until it goes', async () => {
      const nobody = parseId('TemplateId', `t-${'0'.repeat(26)}`)
      await expect(driver.markStale(nobody)).rejects.toMatchObject({ code: 'not_found' })
      const template = await build()
      expect(template.stale).toBe(false)
      await driver.markStale(template.id)
      await driver.markStale(template.id)
      const marked = { ...template, stale: true }
      expect(await driver.templates()).toEqual([marked])
      await driver.close()
      driver = await host.open()
      await driver.prepare({ signal: never })
      await expect.poll(() => driver.templates(), { timeout: host.deadlineMs }).toEqual([marked])
      await driver.removeTemplate(template.id)
      await expect(driver.markStale(template.id)).rejects.toMatchObject({ code: 'not_found' })
      expect(await driver.templates()).toEqual([])
    })

    promise('makes the machine from nothing where its hull is dead, or of another template', async () => {
      const [template, other] = [await build(), await build()]
      const dead = await makeHull(template)
      await host.crash(dead)
      const strange = await makeHull(other)
      for (const machine of [dead, strange]) {
        await clone(machine, template)
        await driver.guest(machine).sync(deadline())
      }
      expect(new Set(await driver.running())).toEqual(new Set([dead, strange]))
      const found = new Map((await driver.templates()).map((one) => [one.id, one]))
      expect(found.get(template.id)).toEqual({ ...template, clones: 2 })
      expect(found.get(other.id)).toEqual(other)
      for (const machine of [dead, strange]) await driver.destroy(machine)
      expect(await leaked()).toEqual([])
    })

    promise('finds after a restart what was published, and what was half made as a machine', async () => {
      const template = await build()
      const machine = host.machine()
      await clone(machine, template)
      await host.leaveHalfTemplate()
      await driver.close()
      const later = await host.open()
      await later.prepare({ signal: never })
      await expect
        .poll(() => later.templates(), { timeout: host.deadlineMs })
        .toMatchObject([{ id: template.id, clones: 1 }])
      const halves = new Set((await leaked(later)).map((resource) => resource.machine))
      expect(halves.size).toBe(2)
      for (const half of halves) if (half !== undefined) await later.destroy(half)
      expect(await leaked(later)).toEqual([])
    })
  })
}
