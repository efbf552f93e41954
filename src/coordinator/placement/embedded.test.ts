import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseId } from '../../model/index.ts'
import { bestFit, fits, freeRoom, minus, NO_ROOM, plus, roomFor, shortOf } from './embedded.ts'

const h = (name: string) => parseId('HostId', name)
const room = (vcpus: number, gib: number, diskMiB = 100_000) => ({ vcpus, memoryMiB: gib * 1024, diskMiB })
const candidate = (name: string, free: ReturnType<typeof room>, capacity = room(16, 64)) => ({
  host: h(name),
  capacity,
  free,
})

describe('room', () => {
  test('of a machine holds what QEMU itself takes, and its whole disk', () => {
    expect(roomFor({ vcpus: 2, memoryMiB: 1024, diskGiB: 3 })).toEqual({
      vcpus: 2,
      memoryMiB: 1280,
      diskMiB: 3072,
    })
  })

  test('that is left counts dying machines, and not free reservations', () => {
    const machine = parseId('MachineId', `m-${'0'.repeat(26)}`)
    expect(freeRoom(room(4, 4), [{ room: room(1, 1, 10), machine }, { room: room(2, 2, 20) }])).toEqual(
      room(3, 3, 99_990),
    )
  })

  test('taken and given back is what it was', () => {
    const capacity = fc.record({ vcpus: fc.nat(), memoryMiB: fc.nat(), diskMiB: fc.nat() })
    fc.assert(
      fc.property(capacity, capacity, (a, b) => {
        expect(minus(plus(a, b), b)).toEqual(a)
        expect(fits(plus(a, b), b)).toBe(true)
        expect(plus(a, NO_ROOM)).toEqual(a)
      }),
    )
  })
})

describe('the best host', () => {
  test('is the one that will be fullest', () => {
    const hosts = [candidate('h1', room(8, 32)), candidate('h2', room(2, 5)), candidate('h3', room(1, 2))]
    expect(bestFit(hosts, room(1, 4))?.host).toBe('h2')
  })

  test('has room of every kind', () => {
    const hosts = [candidate('h1', room(0, 32)), candidate('h2', room(8, 1)), candidate('h3', room(8, 32, 5))]
    expect(bestFit(hosts, room(1, 2, 10))).toBeUndefined()
  })

  test('of equal ones is the first by name, in whatever order they come', () => {
    const hosts = ['h3', 'h1', 'h2'].map((name) => candidate(name, room(4, 4)))
    expect(bestFit(hosts, room(1, 1))?.host).toBe('h1')
    expect(bestFit(hosts.toReversed(), room(1, 1))?.host).toBe('h1')
  })
})

test.each([
  ['memory', room(4, 2.1), 'h1 memory 2.1 of 64 GiB free, needs 4'],
  ['vCPUs', room(1, 8), 'h1 vCPUs 1 of 16 free, needs 2'],
  ['disk', room(4, 8, 512), 'h1 disk 0.5 of 97.7 GiB free, needs 10'],
])('a host that is short of %s says of how much', (_, free, says) => {
  expect(shortOf(candidate('h1', free), room(2, 4, 10_240))).toBe(says)
})
