import { LibvirtConnectionError, LibvirtError, LibvirtProtocolError } from '../../../libvirt/index.ts'
import { SlipwayError } from '../../../model/index.ts'

export interface Asked {
  /** `create`, `destroy`. */
  readonly action: string
  readonly object: string
}

const DETAIL_CHARS_MAX = 300

/** What libvirt failed at, in our codes: `hypervisor_refused` if it answered, `hypervisor_down` if it did not. */
export function refusal(error: unknown, { action, object }: Asked): unknown {
  if (error instanceof LibvirtError)
    return new SlipwayError(
      'hypervisor_refused',
      { action, object, detail: shorten(error.message) },
      { cause: error },
    )
  if (error instanceof LibvirtConnectionError || error instanceof LibvirtProtocolError)
    return new SlipwayError(
      'hypervisor_down',
      { detail: shorten(error.message), log: "libvirtd's log" },
      { cause: error },
    )
  return error
}

/** `task` with libvirt's failures in our codes. */
export async function asking<T>(asked: Asked, task: Promise<T>): Promise<T> {
  try {
    return await task
  } catch (error) {
    throw refusal(error, asked)
  }
}

const shorten = (text: string): string => text.slice(0, DETAIL_CHARS_MAX)
