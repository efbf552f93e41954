import { LibvirtProtocolError } from './error.ts'
import type { Codec } from './xdr/index.ts'

const UUID_BYTES = 16
const TEXT = /^([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})$/

/** 16 bytes on the wire (`remote_uuid`), the usual lower-case text with hyphens here. */
export const uuid: Codec<string> = {
  write(writer, value) {
    const digits = TEXT.exec(value)?.slice(1).join('')
    if (digits === undefined) throw new LibvirtProtocolError('XDR_VALUE', `"${value}" is no lower-case UUID`)
    writer.padded(Buffer.from(digits, 'hex'))
  },
  read(reader) {
    const digits = reader.padded(UUID_BYTES).toString('hex')
    return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
  },
}
