import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parseId } from '../../../../model/index.ts'
import { SlotLedger } from './ledger.ts'

const machine = parseId('MachineId', 'm-01j00000000000000000000000')
let dir: string
let ledger: SlotLedger
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'slw-ledger-'))
  ledger = new SlotLedger(dir, 3)
  await ledger.prepare()
})
afterEach(() => rmSync(dir, { recursive: true }))

describe('the ledger of slots', () => {
  test('never gives a slot twice, also to those who ask at once', async () => {
    expect(new Set(await Promise.all([ledger.hold(), ledger.hold(), ledger.hold()]))).toEqual(
      new Set([1, 2, 3]),
    )
    await expect(ledger.hold()).rejects.toMatchObject({ code: 'too_busy' })
  })
  test('remembers owners across a restart, and gives their slots to nobody', async () => {
    await ledger.assign(await ledger.hold(), machine)
    const later = new SlotLedger(dir, 3)
    expect(await later.assigned()).toEqual(new Map([[1, machine]]))
    expect(await later.slotOf(machine)).toBe(1)
    expect(await later.hold()).toBe(2)
  })
  test('gives a released slot again, after all others', async () => {
    await ledger.assign(await ledger.hold(), machine)
    await ledger.release(1)
    await ledger.release(1)
    expect(await ledger.slotOf(machine)).toBeUndefined()
    expect([await ledger.hold(), await ledger.hold(), await ledger.hold()]).toEqual([2, 3, 1])
  })
  test('leaves out of its turn what somebody has', async () => {
    await ledger.assign(await ledger.hold(), machine)
    for (const slot of [2, 3, 2, 3]) {
      expect(await ledger.hold()).toBe(slot)
      await ledger.release(slot)
    }
  })
  test('goes on after a restart where it was', async () => {
    for (const slot of [1, 2]) {
      expect(await ledger.hold()).toBe(slot)
      await ledger.release(slot)
    }
    const later = new SlotLedger(dir, 3)
    await later.prepare()
    expect(await later.hold()).toBe(3)
  })
  test.each(['', 'x', '-7', '1.5', '3', '99', 'Infinity'])(
    'begins with the first slot where the last one is noted as %j',
    async (noted) => {
      writeFileSync(join(dir, 'last'), noted)
      await ledger.prepare()
      expect([await ledger.hold(), await ledger.hold(), await ledger.hold()]).toEqual([1, 2, 3])
      await expect(ledger.hold()).rejects.toMatchObject({ code: 'too_busy' })
    },
  )
  test('does not believe a file that names no machine, yet leaves its slot alone', async () => {
    writeFileSync(join(dir, '1'), '../../etc')
    writeFileSync(join(dir, '2.new'), machine)
    expect(await ledger.assigned()).toEqual(new Map())
    expect(await ledger.hold()).toBe(2)
  })
})
