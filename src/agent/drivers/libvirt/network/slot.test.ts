import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseId } from '../../../../model/index.ts'
import { SLOT_MIN, slotMax, slotOf } from './slot.ts'

const settings = {
  host: parseId('HostId', 'local'),
  uplink: '100.64.0.0/16',
  uidBase: 200_000,
  uidCount: 65_536,
}

describe('a slot', () => {
  test('has four addresses of the uplink network, a uid and names, all from its number', () => {
    expect(slotOf(settings, 65)).toEqual({
      number: 65,
      uid: 200_065,
      namespace: 'slw.local.65',
      uplink: expect.stringMatching(/^sw[0-9a-f]{6}[.]65$/),
      tap: 'tap65',
      hostAddress: '100.64.1.5',
      address: '100.64.1.6',
    })
  })
  test('shares nothing with another', () => {
    const numbers = fc.integer({ min: SLOT_MIN, max: slotMax(settings) })
    fc.assert(
      fc.property(numbers, numbers, (one, other) => {
        if (one === other) return
        const [a, b] = [slotOf(settings, one), slotOf(settings, other)]
        const own = new Set<unknown>(Object.values(a))
        expect(Object.values(b).filter((value) => own.has(value))).toEqual([])
        expect(a.hostAddress).not.toBe(b.address)
      }),
    )
  })
  test('ends where uids or addresses end', () => {
    expect(slotMax(settings)).toBe(16_383)
    expect(slotOf(settings, slotMax(settings)).address).toBe('100.64.255.254')
    expect(slotMax({ ...settings, uidCount: 100 })).toBe(99)
    expect(slotMax({ ...settings, uplink: '10.200.0.8/29' })).toBe(1)
  })
  test.each([
    '',
    '100.64.0.0',
    '100.64.0.0/30',
    '100.64.0.1/16',
    '300.1.1.0/24',
    'fd00::/64',
    '10.0.0.0/7',
    '10.0.0.0/ 8',
  ])('refuses the uplink network %j', (uplink) => {
    expect(() => slotMax({ ...settings, uplink })).toThrow(expect.objectContaining({ code: 'bad_config' }))
  })
})
