/**
 * A guest of 512 bytes: enters 64-bit mode from its boot sector, counts to fifty million and leaves by
 * `isa-debug-exit`. Real hardware virtualization is done with it in some 20 ms, emulation in a third of a second; a
 * KVM that has to interpret its guests (nested or software-only) does not get there within the probe's limit, nor
 * would a real guest get anywhere under it. A reset vector or a real-mode sector alone would run there too: tried.
 *
 *   cli; ds = es = ss = 0
 *   zero 0x1000..0x3fff; PML4[0] -> 0x2000, PDPT[0] -> 0x3000, PD[0] = 2 MiB page at 0
 *   CR4.PAE, CR3 = 0x1000, EFER.LME, lgdt, CR0 = PE | PG, far jump into the 64-bit segment
 *   mov ecx, 50000000; again: dec ecx; jnz again
 *   mov al, 0x15; out 0xf4, al; hlt
 */
export function bootSector(): Buffer {
  const sector = Buffer.alloc(SECTOR_BYTES)
  Buffer.from(CODE.replaceAll(' ', ''), 'hex').copy(sector)
  sector.writeUInt16LE(SIGNATURE, SECTOR_BYTES - 2)
  return sector
}

/** QEMU's exit code after the guest wrote 0x15: `value << 1 | 1`. */
export const RAN_EXIT_CODE = (0x15 << 1) | 1

const SECTOR_BYTES = 512
const SIGNATURE = 0xaa55
const CODE = [
  'fa 31c0 8ed8 8ec0 8ed0',
  'bf0010 b90018 fc f3ab',
  'c70600100320 c70600200330 c70600308300',
  '66b820000000 0f22e0 66b800100000 0f22d8',
  '66b9800000c0 0f32 0d0001 0f30',
  '0f0116687c 66b801000080 0f22c0 ea6e7c0800',
  '6690 0000000000000000 00000000009a2000 0f00587c0000',
  'b980f0fa02 ffc9 75fc 66baf400 b015 ee f4 ebfd',
].join('')
