import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseId } from '../../../model/index.ts'
import { resourceName } from '../resource-name.ts'
import {
  daemonName,
  parseSlotName,
  parseTapName,
  parseUplinkName,
  ringName,
  slotName,
  tapName,
  uplinkName,
} from './names.ts'

const local = parseId('HostId', 'local')
const hosts = fc.stringMatching(/^[a-z][a-z0-9]{0,11}$/).map((text) => parseId('HostId', text))
const slots = fc.integer({ min: 1, max: 99_999 })

describe('names by slot', () => {
  test('are read back on their own host only', () => {
    fc.assert(
      fc.property(hosts, hosts, slots, (host, other, slot) => {
        expect(parseSlotName(host, slotName(host, slot))).toBe(slot)
        expect(parseUplinkName(host, uplinkName(host, slot))).toBe(slot)
        expect(parseTapName(tapName(slot))).toBe(slot)
        if (other === host) return
        expect(parseSlotName(other, slotName(host, slot))).toBeUndefined()
        expect(parseUplinkName(other, uplinkName(host, slot))).toBeUndefined()
      }),
    )
  })
  test('of interfaces fit the 15 characters Linux has for them', () => {
    fc.assert(
      fc.property(hosts, slots, (host, slot) => {
        expect(uplinkName(host, slot).length).toBeLessThanOrEqual(15)
        expect(tapName(slot).length).toBeLessThanOrEqual(15)
      }),
    )
  })
  test('are nobody else’s', () => {
    const machine = parseId('MachineId', 'm-01j00000000000000000000000')
    const strangers = [
      resourceName(local, machine),
      daemonName(local),
      ringName(local),
      'slw.local.',
      'slw.local.0',
      'slw.local.01',
      'slw.local.1x',
      'slw.local.1.2',
      'slw.local.-1',
      'SLW.LOCAL.1',
      'xslw.local.1',
      'slw.local.9999999',
    ]
    for (const name of strangers) expect(parseSlotName(local, name), name).toBeUndefined()
  })
})
