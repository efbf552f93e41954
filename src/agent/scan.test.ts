import { expect, it } from 'vitest'
import { machineOf } from '../../test/agent/world.ts'
import { anySpec } from '../../test/conformance/image.ts'
import { type MachineId, Secret } from '../model/index.ts'
import type { Resource } from './drivers/driver.ts'
import type { Held } from './held.ts'
import { RECORD, Scanner } from './scan.ts'

const machine = machineOf(1)
const common = { machine, spec: anySpec, timeline: [] }
const death = { end: 'lost', failure: { code: 'machine_lost', args: {} }, consoleTail: [] } as const
const access = { address: '', port: 22, user: '', hostKey: '', privateKey: new Secret('') }
const overlay: Resource = { kind: 'overlay', name: 'o', machine }
const record: Resource = { kind: RECORD, name: machine, machine }
const running = new Set<MachineId>()
const holding = (held: Held) => new Map([[machine, held]])
const twice = (
  held: ReadonlyMap<MachineId, Held>,
  scan = { listed: [overlay], records: [record], running },
) => {
  const scanner = new Scanner()
  expect(scanner.judge(scan, held)).toEqual({ remove: [], vanished: [] })
  return scanner.judge(scan, held)
}

it('takes a resource and a record that nobody holds for strays', () => {
  expect(twice(new Map())).toEqual({ remove: [overlay, record], vanished: [] })
})

it('leaves the resources of a machine in the making to it', () => {
  const making = { attempt: 1, stop: () => {}, settled: Promise.resolve() }
  expect(twice(holding({ ...common, state: 'creating', ...making })).remove).toEqual([])
})

it('takes what a buried machine left for a stray, but not the record that keeps its news', () => {
  expect(twice(holding({ ...common, state: 'buried', death })).remove).toEqual([overlay])
})

it('misses a machine that should run after two scans without it', () => {
  expect(twice(holding({ ...common, state: 'ready', access })).vanished).toEqual([machine])
  expect(twice(holding({ ...common, state: 'destroying', sinceMs: 0 })).vanished).toEqual([])
})
