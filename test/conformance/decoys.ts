import { resourceName, sharedName } from '../../src/agent/drivers/resource-name.ts'
import { type HostId, type MachineId, parseId } from '../../src/model/index.ts'

/** Names that look like those of `machine` on `host` and are not. */
export const decoyNames = (host: HostId, machine: MachineId): readonly string[] => [
  resourceName(parseId('HostId', `${host}2`), machine),
  `${resourceName(host, machine)}0`,
  `${resourceName(host, machine)}.bak`,
  `x${resourceName(host, machine)}`,
  resourceName(host, machine).toUpperCase(),
  sharedName(host, 'somebody-elses'),
  machine,
]
