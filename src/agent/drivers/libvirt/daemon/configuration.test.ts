import { describe, expect, test } from 'vitest'
import { parseId } from '../../../../model/index.ts'
import { configurationFiles } from './configuration.ts'

const facts = {
  host: parseId('HostId', 'local'),
  uid: 200_000,
  kvm: false,
  cgroupVersion: 1,
  passwd:
    'root:x:0:0::/root:/bin/bash\nalice:x:1000:1000::/home/alice:/bin/bash\nlibvirt-qemu:x:64055:993::/:/\n',
  group: 'root:x:0:\nsudo:x:27:alice\nkvm:x:993:\n',
} as const
const file = (path: string, changes = {}): string =>
  configurationFiles({ ...facts, ...changes }).get(path) ?? ''

describe('the daemons’ configuration', () => {
  test('runs QEMU without capabilities, with seccomp, in a mount namespace, as nobody’s uid', () => {
    const lines = file('libvirt/qemu.conf').split('\n')
    expect(lines).toEqual(
      expect.arrayContaining([
        'user = "+200000"',
        'group = "+200000"',
        'clear_emulator_capabilities = 1',
        'seccomp_sandbox = 1',
        'namespaces = ["mount"]',
        'stdio_handler = "logd"',
        'max_core = 0',
      ]),
    )
  })
  test('shows a guest’s QEMU /dev/kvm only where it is of use', () => {
    expect(file('libvirt/qemu.conf')).not.toContain('/dev/kvm')
    expect(file('libvirt/qemu.conf', { kvm: true })).toContain('/dev/kvm')
  })
  test('names controllers only in version 1 of control groups', () => {
    expect(file('libvirt/qemu.conf')).toContain('cgroup_controllers')
    expect(file('libvirt/qemu.conf', { cgroupVersion: 2 })).not.toContain('cgroup_controllers')
  })
  test('tells nothing of the host’s people', () => {
    expect(file('passwd')).toBe('root:x:0:0::/root:/bin/bash\nlibvirt-qemu:x:64055:993::/:/\n')
    expect(file('group')).toBe('root:x:0:\nkvm:x:993:\n')
  })
  test('opens libvirt’s socket to root alone', () => {
    expect(file('libvirt/libvirtd.conf')).toContain('unix_sock_rw_perms = "0600"')
  })
  test('bounds each log', () => {
    expect(file('libvirt/virtlogd.conf')).toBe('max_size = 2097152\nmax_backups = 1\n')
  })
})
