import { describe, expect, test } from 'vitest'
import { parseId } from '../../../model/index.ts'
import type { DriverEvent } from '../driver.ts'
import { resourceName } from '../resource-name.ts'
import { MachineWatch } from './events.ts'

const host = parseId('HostId', 'local')
const machine = parseId('MachineId', 'm-01j00000000000000000000000')
const said = (event: string, detail: string, name = resourceName(host, machine)) =>
  ({ domain: { name, uuid: '', id: 1 }, event, detail }) as Parameters<MachineWatch['heard']>[0]

/** What a watch that expects the machine tells, after `happen`. */
async function told(happen: (watch: MachineWatch) => void): Promise<readonly DriverEvent[]> {
  const watch = new MachineWatch(host)
  const reader = new AbortController()
  const events = watch.subscribe(reader.signal)
  watch.expect(machine)
  happen(watch)
  const seen: DriverEvent[] = []
  const reading = (async () => {
    for await (const event of events) seen.push(event)
  })()
  await new Promise(setImmediate)
  reader.abort()
  await reading
  return seen
}

describe('what became of a machine', () => {
  test.each([
    ['stopped', 'shutdown', 'stopped'],
    ['stopped', 'failed', 'crashed'],
    ['stopped', 'crashed', 'crashed'],
    ['stopped', 'destroyed', 'crashed'],
    ['crashed', 'panicked', 'crashed'],
    ['suspended', 'io-error', 'crashed'],
  ])('%s: %s means it has %s', async (event, detail, kind) => {
    expect(await told((watch) => watch.heard(said(event, detail)))).toMatchObject([{ machine, kind }])
  })
  test.each([
    ['started', 'booted'],
    ['suspended', 'paused'],
    ['resumed', 'unpaused'],
    ['shutdown', 'guest'],
  ])('%s: %s is no end', async (event, detail) => {
    expect(await told((watch) => watch.heard(said(event, detail)))).toEqual([])
  })
  test('is told once', async () => {
    const twice = await told((watch) => {
      watch.heard(said('stopped', 'shutdown'))
      watch.heard(said('stopped', 'failed'))
      watch.compare(new Set())
      watch.compare(new Set())
    })
    expect(twice).toHaveLength(1)
  })
  test('is nobody’s business once we destroy it', async () => {
    const quiet = await told((watch) => {
      watch.forget(machine)
      watch.heard(said('stopped', 'destroyed'))
    })
    expect(quiet).toEqual([])
  })
  test('is told of our machines alone', async () => {
    const other = resourceName(parseId('HostId', 'other'), machine)
    expect(await told((watch) => watch.heard(said('stopped', 'shutdown', other)))).toEqual([])
  })
  test('is that it vanished, if it is found missing twice in a row', async () => {
    const missing = new Set<never>()
    const twice = await told((watch) => {
      watch.compare(missing)
      watch.compare(missing)
    })
    expect(twice).toMatchObject([{ machine, kind: 'vanished' }])
    const once = await told((watch) => {
      watch.compare(missing)
      watch.compare(new Set([machine]))
      watch.compare(missing)
    })
    expect(once).toEqual([])
  })
  test('is what libvirt says, if that comes between two looks', async () => {
    const seen = await told((watch) => {
      watch.compare(new Set())
      watch.heard(said('stopped', 'shutdown'))
      watch.compare(new Set())
    })
    expect(seen).toMatchObject([{ kind: 'stopped' }])
  })
})
