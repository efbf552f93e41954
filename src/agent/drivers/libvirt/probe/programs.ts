import { run, tryRun } from '../command.ts'

export interface Programs {
  /** Name → version, as each says it. */
  readonly versions: Readonly<Record<string, string>>
  /** QEMU's and libvirt's own words in full, packaging included: what a frozen guest depends on. */
  readonly identity: readonly string[]
  /** The newest machine type of this QEMU by its full name: machines must not change when QEMU does. */
  readonly machineType: string
}

const NEEDED = [
  ['ip', '-V'],
  ['nft', '--version'],
  ['sysctl', '--version'],
  ['nsenter', '--version'],
  ['unshare', '--version'],
  ['qemu-img', '--version'],
] as const

/** Asks each program we need for its version. Errors: `missing_program`. */
export async function probePrograms(signal: AbortSignal): Promise<Programs> {
  await Promise.all(NEEDED.map(([program, flag]) => tryRun(program, [flag], { object: program, signal })))
  const [qemu, libvirt, , machines] = await Promise.all([
    run('qemu-system-x86_64', ['--version'], { object: 'QEMU', signal }),
    run('libvirtd', ['--version'], { object: 'libvirtd', signal }),
    run('virtlogd', ['--version'], { object: 'virtlogd', signal }),
    run('qemu-system-x86_64', ['-machine', 'help'], { object: 'QEMU', signal }),
  ])
  return {
    versions: { qemu: version(qemu), libvirt: version(libvirt) },
    identity: [qemu.trim(), libvirt.trim()],
    machineType: newestMachineType(machines),
  }
}

/** `pc … (alias of pc-i440fx-10.0)` in what `-machine help` prints. */
export const newestMachineType = (help: string): string =>
  /^pc\s.*\(alias of (pc-[\w.-]+)\)/m.exec(help)?.[1] ?? 'pc'

const version = (text: string): string => /\d+\.\d+(\.\d+)?/.exec(text)?.[0] ?? text.trim().slice(0, 40)
