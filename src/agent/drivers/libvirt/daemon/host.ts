import { access, stat } from 'node:fs/promises'

/** 2 where the unified hierarchy is all there is, as with any recent systemd; else 1 (legacy or hybrid). */
export async function cgroupVersion(): Promise<1 | 2> {
  return (await exists('/sys/fs/cgroup/cgroup.controllers')) ? 2 : 1
}

/** Where libvirt's drivers are installed: the multi-arch directory of Debian, or lib64. */
export async function driverDirectory(): Promise<string | undefined> {
  const candidates = ['lib/x86_64-linux-gnu', 'lib/aarch64-linux-gnu', 'lib64', 'lib']
  for (const candidate of candidates) {
    const directory = `/usr/${candidate}/libvirt/connection-driver`
    if (await isDirectory(directory)) return directory
  }
  return undefined
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
}
