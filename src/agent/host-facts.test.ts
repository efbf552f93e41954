import { expect, it } from 'vitest'
import { capacityOf } from './host-facts.ts'
import { firstServer } from './host-resolver.ts'

const host = { vcpus: 8, memoryMiB: 16_384, diskMiB: 100_000 }
const limits = { vcpu_overcommit: 2, memory_reserve_mib: 1_024, disk_reserve_mib: 4_096, boot_s: 1 }

it('offers the host less its reserve, vCPUs several times over', () => {
  expect(capacityOf(host, limits)).toEqual({ vcpus: 16, memoryMiB: 15_360, diskMiB: 95_904 })
})

it('never offers more than the operator allows, nor less than nothing', () => {
  expect(capacityOf(host, { ...limits, vcpus: 3, memory_mib: 512, disk_mib: 64 })).toEqual({
    vcpus: 3,
    memoryMiB: 512,
    diskMiB: 64,
  })
  expect(capacityOf({ ...host, memoryMiB: 100 }, limits).memoryMiB).toBe(0)
})

it('finds the resolver that a machine can reach: the first that is no loopback', () => {
  expect(
    firstServer('# nameserver 9.9.9.9\nnameserver 127.0.0.53\nnameserver ::1\nnameserver 10.0.0.2\n'),
  ).toBe('10.0.0.2')
  expect(firstServer('search lan\n')).toBeUndefined()
})
