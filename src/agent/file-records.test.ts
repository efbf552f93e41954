import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { machineOf } from '../../test/agent/world.ts'
import { anySpec } from '../../test/conformance/image.ts'
import { Secret } from '../model/index.ts'
import { fileRecords } from './file-records.ts'
import type { MachineRecord } from './records.ts'

let dir = ''
beforeEach(async () => {
  dir = join(await mkdtemp(join(tmpdir(), 'agent-records-')), 'records')
})
afterEach(() => rm(join(dir, '..'), { recursive: true }))

const common = { spec: anySpec, timeline: [{ step: 'clone', atMs: 12.5 }] }
const creating: MachineRecord = { machine: machineOf(1), ...common, state: 'creating' }
const ready: MachineRecord = {
  machine: machineOf(2),
  ...common,
  state: 'ready',
  access: {
    address: '100.64.0.2',
    port: 22,
    user: 'job',
    hostKey: 'ssh-ed25519 AAAA',
    privateKey: new Secret('pem'),
  },
}
const lost: MachineRecord = {
  machine: machineOf(3),
  ...common,
  state: 'lost',
  failure: { code: 'machine_stopped', args: { machine: machineOf(3) } },
  consoleTail: ['bye'],
}

it('gives back to a later process what was put, the private key among it', async () => {
  const records = await fileRecords(dir)
  for (const record of [creating, ready, lost]) await records.put(record)
  const later = await fileRecords(dir)
  expect((await later.load()).toSorted((a, b) => a.machine.localeCompare(b.machine))).toEqual([
    creating,
    ready,
    lost,
  ])
  const found = (await later.load()).find(({ state }) => state === 'ready')
  expect(found?.state === 'ready' && found.access.privateKey.reveal()).toBe('pem')
})

it('keeps records where only root reads them', async () => {
  const records = await fileRecords(dir)
  await records.put(ready)
  expect((await stat(dir)).mode & 0o777).toBe(0o700)
  expect((await stat(join(dir, `${ready.machine}.json`))).mode & 0o777).toBe(0o600)
})

it('replaces and removes, and does not mind what is not there', async () => {
  const records = await fileRecords(dir)
  await records.put({ ...creating, machine: ready.machine })
  await records.put(ready)
  await records.remove(creating.machine)
  expect(await records.load()).toEqual([ready])
  await records.remove(ready.machine)
  expect(await readdir(dir)).toEqual([])
})

it('forgets what a kill left half written, and leaves out what cannot be read, though it names its machine', async () => {
  const records = await fileRecords(dir)
  await records.put(ready)
  const text = await readFile(join(dir, `${ready.machine}.json`), 'utf8')
  for (let cut = 0; cut < text.length; cut += 17) {
    await writeFile(join(dir, `${machineOf(4)}.json`), text.slice(0, cut))
    await writeFile(join(dir, `${machineOf(5)}.json.draft`), text.slice(0, cut))
    const later = await fileRecords(dir)
    expect(await later.load()).toEqual([ready])
    expect((await later.machines()).toSorted()).toEqual([machineOf(2), machineOf(4)])
  }
})

it('does not take a record under another machine’s name, nor a name that is no machine', async () => {
  const records = await fileRecords(dir)
  await records.put(ready)
  await writeFile(join(dir, `${machineOf(6)}.json`), await readFile(join(dir, `${ready.machine}.json`)))
  await writeFile(join(dir, 'notes.json'), '{}')
  expect(await records.load()).toEqual([ready])
  expect(await records.machines()).not.toContain('notes')
})
