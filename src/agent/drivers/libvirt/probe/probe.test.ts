import { expect, test } from 'vitest'
import { bootSector, RAN_EXIT_CODE } from './boot-sector.ts'
import { newestMachineType } from './programs.ts'

test('the tiny guest is a boot sector whose last act is to leave QEMU with a code of its own', () => {
  const sector = bootSector()
  expect(sector.length).toBe(512)
  expect(sector.subarray(510).toString('hex')).toBe('55aa')
  expect(sector.toString('hex')).toContain('66baf400b015eef4')
  expect(RAN_EXIT_CODE).toBe(43)
})

test('a machine type is named in full, so that it stays the same when QEMU is upgraded', () => {
  const help = [
    'Supported machines are:',
    'microvm              microvm (i386)',
    'pc                   Standard PC (i440FX + PIIX, 1996) (alias of pc-i440fx-10.0)',
    'pc-i440fx-10.0       Standard PC (i440FX + PIIX, 1996) (default)',
    'q35                  Standard PC (Q35 + ICH9, 2009) (alias of pc-q35-10.0)',
  ].join('\n')
  expect(newestMachineType(help)).toBe('pc-i440fx-10.0')
  expect(newestMachineType('')).toBe('pc')
})
