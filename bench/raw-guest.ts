/**
 * The same guest without Slipway: an overlay, QEMU from the command line, its guest agent's socket, user networking.
 * The least one must do by hand for SSH into a fresh machine of one of our images.
 */
import { execFile, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { promisify } from 'node:util'
import { sshDoor } from '../src/agent/door.ts'
import { GUEST_ADDRESS, GUEST_MAC } from '../src/agent/drivers/libvirt/network/rules.ts'
import { makeKeyPair } from '../src/agent/key-pair.ts'
import { kitInput } from '../src/agent/kit.ts'
import { type Access, type ImageManifest, type MachineId, parseId, SlipwayError } from '../src/model/index.ts'
import { GuestAgent } from './guest-agent.ts'
import { processorMs } from './processor-time.ts'

export interface RawGuest {
  readonly manifest: ImageManifest
  readonly disk: string
  /** For the overlay and the sockets. */
  readonly folder: string
  readonly vcpus: number
  readonly memoryMiB: number
  readonly diskGiB: number
  readonly acceleration: 'hardware' | 'emulated'
  /** Where its pid is written before it starts. */
  readonly group: string | undefined
}

/** Step → ms since nothing was there. */
export type Timeline = ReadonlyMap<string, number>

/** Boots, logs in by SSH, ends the guest; when each step was done. */
export async function bootRaw(guest: RawGuest): Promise<Timeline> {
  const startMs = performance.now()
  const timeline = new Map<string, number>()
  const mark = (step: string): void => void timeline.set(step, performance.now() - startMs)
  const overlay = join(guest.folder, 'raw.qcow2')
  const socket = join(guest.folder, 'raw.agent')
  const signal = AbortSignal.timeout(BOOT_MS)
  await makeOverlay(guest, overlay)
  const qemu = spawn(
    'sh',
    ['-c', JOIN_AND_RUN, guest.group ?? '/dev/null', ...flags(guest, overlay, socket)],
    {
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  )
  const ended = once(qemu, 'close')
  try {
    using agent = await GuestAgent.open(socket, signal)
    mark('started')
    await agent.sync(signal)
    mark('guest')
    const pair = makeKeyPair(randomBytes)
    const reply = JSON.parse(await agent.run(KIT_PATH, request(guest.manifest, pair.publicLine), signal))
    mark('unique')
    const { user } = guest.manifest
    await login(
      { address: '127.0.0.1', port: PORT, user, hostKey: reply.hostKey, privateKey: pair.privateKey },
      signal,
    )
    mark('ssh')
    timeline.set(PROCESSOR, qemu.pid === undefined ? Number.NaN : processorMs(qemu.pid))
    return timeline
  } finally {
    qemu.kill('SIGKILL')
    await ended
    await rm(overlay, { force: true })
  }
}

/** SSH and `true`, as soon as the guest's server listens. */
export async function login(access: Access, signal: AbortSignal): Promise<void> {
  for (;;) {
    try {
      return await sshDoor(access, { machine: RAW, signal, deadlineMs: BOOT_MS })
    } catch (error) {
      if (!(error instanceof SlipwayError) || error.code !== 'ssh_failed') throw error
      await wait(KNOCK_MS)
    }
  }
}

export async function makeOverlay({ disk, diskGiB }: RawGuest, overlay: string): Promise<void> {
  const backing = ['-F', 'qcow2', '-b', disk]
  await promisify(execFile)('qemu-img', ['create', '-q', '-f', 'qcow2', ...backing, overlay, `${diskGiB}G`])
}

const request = ({ user }: ImageManifest, authorizedKey: string): string =>
  kitInput({
    entropy: randomBytes(64),
    salt: randomBytes(16),
    machineId: randomBytes(16).toString('hex'),
    hostname: 'raw',
    authorizedKey,
    user,
    tools: false,
    clockShiftMs: 1,
  })

/** Machine, CPU and devices as our driver gives them; nothing of what confines them. */
const flags = (guest: RawGuest, overlay: string, socket: string): readonly string[] => [
  ...['-nodefaults', '-no-user-config', '-display', 'none', '-machine', 'pc,hpet=off,vmport=off'],
  ...(guest.acceleration === 'emulated'
    ? ['-accel', 'tcg,tb-size=128', '-cpu', 'Nehalem,+rdrand']
    : ['-accel', 'kvm', '-cpu', 'host']),
  ...['-smp', `${guest.vcpus}`, '-m', `${guest.memoryMiB}`],
  ...['-drive', `file=${overlay},if=virtio,format=qcow2,discard=unmap,detect-zeroes=unmap`],
  ...['-netdev', `user,id=n,net=${NETWORK},hostfwd=tcp:127.0.0.1:${PORT}-${GUEST_ADDRESS}:22`],
  ...['-device', `virtio-net-pci,netdev=n,mac=${GUEST_MAC},romfile=`],
  ...['-device', 'virtio-serial-pci', '-chardev', `socket,id=a,path=${socket},server=on,wait=off`],
  ...['-device', 'virtserialport,chardev=a,name=org.qemu.guest_agent.0'],
  ...['-object', 'rng-random,id=r,filename=/dev/urandom', '-device', 'virtio-rng-pci,rng=r'],
  ...['-serial', 'null'],
]

/** $0 is the group; the pid stays the same. */
const JOIN_AND_RUN = 'echo $$ > "$0" && exec qemu-system-x86_64 "$@"'
/** In a timeline: processor time of QEMU until then. On a busy machine it tells more work from more waiting. */
export const PROCESSOR = 'processor time of QEMU'

/** Asked through the guest agent, as anybody would who has no other way in. */
const KIT_PATH = '/usr/local/sbin/slipway-kit'
/** Named in errors. */
export const RAW: MachineId = parseId('MachineId', `m-${'0'.repeat(26)}`)
const NETWORK = '10.99.0.0/24,host=10.99.0.1'
/** In a network namespace of our own. */
const PORT = 2222
const BOOT_MS = 180_000
const KNOCK_MS = 20
