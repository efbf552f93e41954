import { expect, test } from 'vitest'
import { parseId } from '../../model/index.ts'
import { parseResourceName, resourceName, sharedName } from './resource-name.ts'

const host = parseId('HostId', 'one')
const machine = parseId('MachineId', `m-${'0'.repeat(26)}`)

test('a machine is found again in the name of its resource', () => {
  expect(parseResourceName(host, resourceName(host, machine))).toBe(machine)
})

test.each([
  ['another host', resourceName(parseId('HostId', 'two'), machine)],
  ['a host whose name starts alike', resourceName(parseId('HostId', 'onemore'), machine)],
  ['a shared thing', sharedName(host, 'uplink')],
  ['a longer name', `${resourceName(host, machine)}0`],
  ['a suffix', `${resourceName(host, machine)}.bak`],
  ['a prefix', `x${resourceName(host, machine)}`],
  ['another case', resourceName(host, machine).toUpperCase()],
  ['a path', `slw.one.../${machine}`],
  ['a bare id', machine],
  ['nothing', ''],
])('%s is not ours', (_, name) => {
  expect(parseResourceName(host, name)).toBeUndefined()
})
