/** All of a disk file that must hold before QEMU may see it: its header, then every table. */
import { readSync } from 'node:fs'
import { HEAD_BYTES, type Inspection, inspectQcow2 } from '../qcow2-header.ts'
import { type ReadAt, tablesReason } from '../qcow2-tables.ts'

/** Reads the file behind `descriptor`, of `fileBytes`; opens nothing, whatever stands in it. */
export function inspect(descriptor: number, fileBytes: number): Inspection {
  const read: ReadAt = (offset, length) => {
    const buffer = new Uint8Array(length)
    for (let done = 0; done < length; ) {
      const got = readSync(descriptor, buffer, done, length - done, offset + done)
      // A cluster that the file ends in reads as zeros from there on, as QEMU reads it.
      if (got === 0) break
      done += got
    }
    return new DataView(buffer.buffer)
  }
  const head = read(0, Math.min(HEAD_BYTES, fileBytes))
  const inspection = inspectQcow2(new Uint8Array(head.buffer), fileBytes)
  if (!inspection.flat) return inspection
  const reason = tablesReason(read, fileBytes)
  return reason === undefined ? inspection : { flat: false, reason }
}
