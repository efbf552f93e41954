import { type ChildProcess, spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { PrivateLibvirtd } from './private-libvirtd.ts'

/**
 * Records what virsh and libvirtd say to each other, as fixtures for the codec:
 *   sh bin/node test/integration/record-virsh.ts
 * A socket in between passes every byte on and keeps it with its direction.
 */
const FIXTURES = new URL('../../src/libvirt/fixtures/', import.meta.url)
const TEST_XML = `<domain type='test'><name>made</name><uuid>0b1e7a52-7d3a-4c7e-9a55-2f8f0c1d2e3f</uuid>
  <memory>8192</memory><os><type>hvm</type></os></domain>`
const QEMU_XML = `<domain type='qemu'><name>tiny</name><memory unit='MiB'>16</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type><bios useserial='yes'/><bootmenu enable='yes' timeout='60000'/></os>
  <devices><controller type='usb' model='none'/><serial type='pty'/><memballoon model='none'/>
  <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel></devices></domain>`

type Side = 'client' | 'server'

/** Bytes in the order in which they passed; the proxy appends to whichever recording runs. */
let passed: { readonly from: Side; readonly bytes: Buffer }[] = []

function relay(source: Socket, target: Socket, from: Side): void {
  source.on('data', (bytes) => {
    passed.push({ from, bytes })
    target.write(bytes)
  })
  source.on('end', () => target.end())
  source.on('error', () => target.destroy())
}

/** Frames, length word included, in the order in which they were complete. */
function framesOf(chunks: typeof passed): readonly { readonly from: Side; readonly hex: string }[] {
  const rest = { client: Buffer.alloc(0), server: Buffer.alloc(0) }
  const frames: { from: Side; hex: string }[] = []
  for (const { from, bytes } of chunks) {
    rest[from] = Buffer.concat([rest[from], bytes])
    while (rest[from].length >= 4 && rest[from].length >= rest[from].readUInt32BE()) {
      const length = rest[from].readUInt32BE()
      frames.push({ from, hex: rest[from].subarray(0, length).toString('hex') })
      rest[from] = rest[from].subarray(length)
    }
  }
  return frames
}

await using libvirtd = await PrivateLibvirtd.start()
const proxyPath = join(libvirtd.directory, 'proxy')
const proxy = createServer((client) => {
  const server = connect(libvirtd.socketPath)
  relay(client, server, 'client')
  relay(server, client, 'server')
})
await new Promise<void>((resolve) => proxy.listen(proxyPath, resolve))
const testXml = join(libvirtd.directory, 'made.xml')
const qemuXml = join(libvirtd.directory, 'tiny.xml')
const linkXml = join(libvirtd.directory, 'link.xml')
writeFileSync(
  linkXml,
  "<interface type='user'><mac address='52:54:00:00:00:02'/><model type='virtio'/><link state='down'/></interface>",
)
writeFileSync(testXml, TEST_XML)
writeFileSync(qemuXml, QEMU_XML)

function virsh(socketPath: string, driver: string, ...options: readonly string[]): ChildProcess {
  const uri = driver === 'test' ? 'test+unix:///default' : 'qemu+unix:///system'
  // `script` gives it a terminal, without which it opens no console.
  const command = `virsh ${options.join(' ')} -c '${uri}?socket=${socketPath}'`
  return spawn('script', ['-qec', command, '/dev/null'], { stdio: ['pipe', 'ignore', 'inherit'] })
}

async function run(child: ChildProcess, lines: readonly (string | number)[]): Promise<void> {
  const exited = new Promise((resolve) => child.once('exit', resolve))
  for (const line of [...lines, 'quit\n']) {
    if (typeof line === 'number') await delay(line)
    else child.stdin?.write(line.endsWith('\n') || line.length === 1 ? line : `${line}\n`)
  }
  await exited
}

async function record(name: string, child: ChildProcess, lines: readonly (string | number)[]): Promise<void> {
  passed = []
  await run(child, lines)
  const script = lines
    .filter((line) => typeof line === 'string')
    .map((line) => line.replace(libvirtd.directory, '.'))
  const fixture = { script, frames: framesOf(passed) }
  writeFileSync(new URL(`virsh-${name}.json`, FIXTURES), `${JSON.stringify(fixture, undefined, 1)}\n`)
}

const METADATA = 'metadata made --uri https://slipway.test/1'
await record('domains', virsh(proxyPath, 'test'), [
  'list --all',
  'nodeinfo',
  'hostname',
  'uri',
  'version --daemon',
  'capabilities',
  'domcapabilities --virttype kvm --arch x86_64',
  'domstate test --reason',
  'domstate nope',
  `define ${testXml}`,
  `define ${testXml} --validate`,
  'domstate 0b1e7a52-7d3a-4c7e-9a55-2f8f0c1d2e3f',
  'start made',
  'suspend made',
  'resume made',
  `${METADATA} --key slipway --set '<machine id="7"/>'`,
  METADATA,
  `${METADATA} --remove`,
  METADATA,
  'dumpxml made',
  'domstats --state',
  'shutdown made',
  'undefine made --nvram',
  'undefine made',
  `create ${testXml}`,
  'destroy made --graceful',
])

await record('qemu', virsh(proxyPath, 'qemu'), [
  `create ${qemuXml} --paused`,
  `qemu-monitor-command tiny '{"execute":"query-status"}'`,
  `qemu-monitor-command tiny '{"execute":"no-such"}'`,
  'qemu-monitor-command tiny --hmp info status',
  `qemu-agent-command tiny '{"execute":"guest-ping"}' --timeout 3`,
  'resume tiny',
  `qemu-agent-command tiny '{"execute":"guest-ping"}'`,
  `attach-device tiny ${linkXml} --live`,
  `update-device tiny ${linkXml} --live`,
  `detach-device tiny ${linkXml} --live`,
  'dumpxml tiny --security-info',
  'destroy tiny --graceful',
])

const savedFile = join(libvirtd.directory, 'saved')
await record('save', virsh(proxyPath, 'qemu'), [
  `create ${qemuXml} --paused`,
  // As long as it saves, virsh takes what it is told for an interrupt.
  5_000,
  `save tiny ${savedFile} --paused`,
  5_000,
  `restore ${savedFile} --paused`,
  'destroy tiny --graceful',
])

await record('console', virsh(proxyPath, 'qemu'), [
  `create ${qemuXml} --paused`,
  'resume tiny',

  'console tiny --force',
  1_000,
  '\u001b',
  1_500,
  '\u001d',
  500,
])
await run(virsh(libvirtd.socketPath, 'qemu'), ['destroy tiny'])

const events = record('events', virsh(proxyPath, 'qemu', '-k 1', '-K 3'), ['event --all --loop --timeout 6'])
await delay(1_000)
await run(virsh(libvirtd.socketPath, 'qemu'), [`create ${qemuXml} --paused`, 'resume tiny', 'destroy tiny'])
await events
proxy.close()
