/**
 * The same guest by libvirt alone, as somebody would have it who has no Slipway: defined and started, or saved once it
 * had booted and restored from there. Through our binding, on a libvirtd of its own whose QEMUs run as root, without
 * control groups and mount namespaces: that is less for libvirt to do than it does where it is installed.
 */
import { once } from 'node:events'
import { copyFile, rm } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { GREETING, judgeGreeting } from '../src/agent/kit.ts'
import { Connection, type Domain, domains } from '../src/libvirt/index.ts'
import { PrivateLibvirtd } from '../test/integration/private-libvirtd.ts'
import { dial } from './dial.ts'
import { makeOverlay, RAW, type RawGuest } from './raw-guest.ts'

export interface LibvirtPeer extends AsyncDisposable {
  /** An overlay, its domain defined and started: until the guest answers, ms. */
  boot(): Promise<number>
  /** The disk as it was when the guest was saved, its state restored: until the guest answers, ms. */
  restore(): Promise<number>
}

interface Party {
  readonly guest: RawGuest
  readonly socketPath: string
}

/** Boots the guest that is to be restored, and saves it. */
export async function openLibvirtPeer(guest: RawGuest): Promise<LibvirtPeer> {
  await using opened = new AsyncDisposableStack()
  const { socketPath } = opened.use(await PrivateLibvirtd.start())
  const party = { guest, socketPath }
  await save(party)
  const kept = opened.move()
  return {
    boot: () => boot(party),
    restore: () => restore(party),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  }
}

async function boot(party: Party): Promise<number> {
  await using connection = await connect(party)
  const files = filesOf(party, 'booted')
  const startMs = performance.now()
  const { domain, socket } = await start(connection, party, files)
  const answeredMs = performance.now() - startMs
  socket.destroy()
  await domains(connection).destroy(domain)
  await domains(connection).undefine(domain)
  await rm(files.overlay)
  return answeredMs
}

/** The kit's port is open while the guest is saved: one that is woken does not look for a host every 200 ms. */
async function save(party: Party): Promise<void> {
  await using connection = await connect(party)
  const files = filesOf(party, 'saved')
  const { domain, socket } = await start(connection, party, files)
  await domains(connection).save(domain, files.state)
  socket.destroy()
  await copyFile(files.overlay, files.frozen)
}

async function restore(party: Party): Promise<number> {
  await using connection = await connect(party)
  const files = filesOf(party, 'saved')
  const startMs = performance.now()
  await copyFile(files.frozen, files.overlay)
  const [, socket] = await Promise.all([domains(connection).restore(files.state), greeted(files.socket)])
  const answeredMs = performance.now() - startMs
  socket.destroy()
  await domains(connection).destroy(await domains(connection).lookupByName(files.name))
  return answeredMs
}

const connect = ({ socketPath }: Party): Promise<Connection> =>
  Connection.open({ socketPath, uri: 'qemu:///system', openTimeoutMs: OPEN_MS })

interface Files {
  /** The domain's. */
  readonly name: string
  readonly overlay: string
  /** The overlay as it was when the guest was saved. */
  readonly frozen: string
  readonly state: string
  /** Where QEMU listens for who speaks with the guest's kit. */
  readonly socket: string
}

function filesOf({ guest }: Party, name: string): Files {
  const of = (kind: string): string => join(guest.folder, `${name}.${kind}`)
  return { name, overlay: of('qcow2'), frozen: of('frozen'), state: of('state'), socket: of('kit') }
}

interface Answering {
  readonly domain: Domain
  readonly socket: Socket
}

async function start(connection: Connection, { guest }: Party, files: Files): Promise<Answering> {
  await makeOverlay(guest, files.overlay)
  const domain = await domains(connection).defineXml(domainXml(guest, files))
  const [started, socket] = await Promise.all([domains(connection).create(domain), greeted(files.socket)])
  return { domain: started, socket }
}

/** Connects while QEMU starts, and returns once the guest's kit has answered. */
async function greeted(path: string): Promise<Socket> {
  const signal = AbortSignal.timeout(BOOT_MS)
  const socket = await dial(path, POLL_MS, signal)
  const lines = createInterface({ input: socket })
  socket.write(`${GREETING}\n`)
  const [line] = await once(lines, 'line', { signal })
  judgeGreeting(RAW, String(line))
  return socket
}

/** By hand: machine, CPU, memory, disk and card as our driver gives them, the rest as libvirt has it. */
const domainXml = (guest: RawGuest, { name, overlay, socket }: Files): string => `
<domain type='${guest.acceleration === 'emulated' ? 'qemu' : 'kvm'}'>
  <name>${name}</name>
  <memory unit='MiB'>${guest.memoryMiB}</memory>
  <vcpu>${guest.vcpus}</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <features><acpi/><apic/></features>
  ${guest.acceleration === 'emulated' ? EMULATED_CPU : "<cpu mode='host-model'/>"}
  <clock offset='utc'><timer name='hpet' present='no'/></clock>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' cache='writeback' discard='unmap' detect_zeroes='unmap'/>
      <source file='${overlay}'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <interface type='user'><model type='virtio'/></interface>
    <serial type='pty'/>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <channel type='unix'>
      <source mode='bind' path='${socket}'/>
      <target type='virtio' name='slipway.kit.0'/>
    </channel>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
  </devices>
  <!-- The golden disk is not libvirt's to give to anybody. -->
  <seclabel type='static' model='dac' relabel='no'><label>+0:+0</label></seclabel>
</domain>`

const EMULATED_CPU = `<cpu mode='custom' match='exact' check='none'>
    <model fallback='forbid'>Nehalem</model><feature policy='require' name='rdrand'/>
  </cpu>`

/** QEMU is asked about itself at the first. */
const OPEN_MS = 30_000
const BOOT_MS = 180_000
const POLL_MS = 2
