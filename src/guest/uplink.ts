import { createHash } from 'node:crypto'
import type { HostId } from '../model/index.ts'

/**
 * How the interfaces are called that lead from the network namespace of a host's agent to its machines. Interface names
 * have 15 characters: the host is a digest in them.
 */
export const uplinkPrefix = (host: HostId): string =>
  `sw${createHash('sha256').update(host).digest('hex').slice(0, 6)}.`
