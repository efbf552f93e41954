/**
 * Two machines, and all they should not reach, tried from inside their guests. The host is the network namespace of
 * this test; a second one plays the world beyond it. Whatever must fail is tried again with the rules taken away and
 * must then connect: so it was the rule that stopped it.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { createServer, type Server } from 'node:net'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Clone } from '../../src/agent/drivers/driver.ts'
import type { LibvirtDriver } from '../../src/agent/drivers/libvirt/index.ts'
import { type LibvirtHost, libvirtHost } from '../conformance/libvirt-host.ts'

const execute = promisify(execFile)
const never = new AbortController().signal
const patience = { signal: never, deadlineMs: 90_000 }

const WORLD = `slw-world-${process.pid}`
const PUBLIC = '203.0.113.2'
const OFFICE = '10.1.2.3'
const HOST_PORT = 9_999

let host: LibvirtHost
let driver: LibvirtDriver
let one: Clone
let two: Clone
const servers: Server[] = []
const children: ChildProcess[] = []

beforeAll(async () => {
  await makeWorld()
  host = await libvirtHost({ resolver: PUBLIC })
  driver = await host.open()
  await driver.prepare({ signal: never })
  one = await machine([`${OFFICE}:8080`])
  two = await machine([])
  await serveIn(namespaceOf(one), [HOST_PORT])
  await inGuest(
    two,
    'for port in 22 2222; do while :; do echo hello | nc -l -p $port; done >/dev/null 2>&1 & done',
  )
}, 300_000)
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL')
  for (const server of servers) server.close()
  await host.close()
  await execute('ip', ['netns', 'del', WORLD])
})

async function machine(allow: readonly string[]): Promise<Clone> {
  const spec = { ...host.spec, network: { allow } }
  const step = (): void => {}
  const clone = await driver.clone({
    machine: host.machine(),
    spec,
    image: host.image,
    disk: host.disk,
    step,
    signal: never,
  })
  await driver.guest(clone.machine).sync(patience)
  await driver.link(clone.machine, 'up', { signal: never })
  return clone
}

const inGuest = ({ machine }: Clone, script: string) =>
  driver.guest(machine).exec('/bin/sh', ['-c', script], { stdin: '', ...patience })
/** True if the guest can open a TCP connection. */
const connects = async (from: Clone, address: string, port: number): Promise<boolean> =>
  (await inGuest(from, `nc -w 3 ${address} ${port} </dev/null`)).exitCode === 0

/** The host's networks, and the world behind it: a public address, an office network, mail and names. */
async function makeWorld(): Promise<void> {
  const ip = (line: string) => execute('ip', line.split(' '))
  await ip(`netns add ${WORLD}`)
  await ip(`link add w0 type veth peer name w1 netns ${WORLD}`)
  await ip('addr add 203.0.113.1/30 dev w0')
  await ip('link set w0 up')
  for (const address of ['192.168.50.1', '169.254.169.254']) await ip(`addr add ${address}/32 dev lo`)
  await ip(`route add ${OFFICE} via ${PUBLIC}`)
  await ip(`-n ${WORLD} addr add ${PUBLIC}/30 dev w1`)
  await ip(`-n ${WORLD} addr add ${OFFICE}/32 dev w1`)
  await ip(`-n ${WORLD} link set w1 up`)
  await ip(`-n ${WORLD} route add default via 203.0.113.1`)
  await serveIn(WORLD, [8080, 25, 53])
  for (const port of [HOST_PORT, 80]) {
    const server = createServer((socket) => socket.on('error', () => {}).end('hello'))
    servers.push(server)
    await new Promise<void>((resolve) => server.listen(port, '0.0.0.0', resolve))
  }
}

/** Listens in a namespace, and answers questions for names on port 53 with one address. */
async function serveIn(namespace: string, ports: readonly number[]): Promise<void> {
  const script = `
    const { createServer } = require('node:net')
    for (const port of ${JSON.stringify(ports)}) createServer((s) => s.on('error', () => {}).end('hello')).listen(port, '0.0.0.0')
    const names = require('node:dgram').createSocket('udp4')
    names.on('message', (asked, from) => {
      const reply = Buffer.concat([asked.subarray(0, 2), Buffer.from('81800001000100000000', 'hex'), asked.subarray(12), Buffer.from('c00c000100010000003c0004cb007109', 'hex')])
      names.send(reply, from.port, from.address)
    })
    names.bind(53, () => console.log('ready'))`
  const child = spawn('nsenter', [`--net=/run/netns/${namespace}`, '--', process.execPath, '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(child)
  await new Promise((resolve) => child.stdout.once('data', resolve))
}

const slotOf = ({ address }: Clone): number =>
  (address.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0) & 0xffff) >> 2
const namespaceOf = (clone: Clone): string => `slw.${host.settings.host}.${slotOf(clone)}`
const hostEndOf = ({ address }: Clone): string => address.replace(/\d+$/, (last) => String(Number(last) - 1))
const nftIn = (clone: Clone, text: string): Promise<unknown> =>
  nft(text, ['nsenter', `--net=/run/netns/${namespaceOf(clone)}`, '--'])
async function nft(text: string, through: readonly string[] = []): Promise<string> {
  const [program = '', ...args] = [...through, 'nft', text]
  return (await execute(program, args)).stdout
}

/** What must be out of reach, from `one`. */
const forbidden = (): readonly (readonly [string, string, number])[] => [
  ['the other machine’s SSH', two.address, 22],
  ['the other machine by another port', two.address, 2222],
  ['the host on its own uplink', hostEndOf(one), HOST_PORT],
  ['the host on the other uplink', hostEndOf(two), HOST_PORT],
  ['the host on a private address', '192.168.50.1', HOST_PORT],
  ['the host on its public address', '203.0.113.1', HOST_PORT],
  ['the metadata service', '169.254.169.254', 80],
  ['an office beyond the host, by a port not allowed', OFFICE, 25],
  ['the gateway', '10.99.0.1', HOST_PORT],
  ['the world’s mail servers', PUBLIC, 25],
]

test('a machine reaches the world, and names through its gateway', async () => {
  expect(await connects(one, PUBLIC, 8080)).toBe(true)
  expect(await connects(two, PUBLIC, 8080)).toBe(true)
  const answer = await inGuest(one, 'nslookup -type=a slipway.test 10.99.0.1')
  expect(answer.stdout).toContain('203.0.113.9')
})

test('the host reaches a machine’s SSH, and no other port of it', async () => {
  const from = (address: string, port: number) =>
    execute('perl', [
      '-MSocket',
      '-e',
      `alarm 3; socket(S, PF_INET, SOCK_STREAM, 0) && connect(S, pack_sockaddr_in(${port}, inet_aton("${address}"))) or exit 1`,
    ]).then(
      () => true,
      () => false,
    )
  expect(await from(two.address, 22)).toBe(true)
  expect(await from(two.address, 2222)).toBe(false)
})

test('the world reaches no machine', async () => {
  await execute('ip', ['-n', WORLD, 'route', 'replace', '100.64.0.0/16', 'via', '203.0.113.1'])
  const args = [
    `--net=/run/netns/${WORLD}`,
    '--',
    'perl',
    '-MSocket',
    '-e',
    `alarm 3; socket(S, PF_INET, SOCK_STREAM, 0) && connect(S, pack_sockaddr_in(22, inet_aton("${two.address}"))) or exit 1`,
  ]
  await expect(execute('nsenter', args)).rejects.toThrow()
})

test('the allow-list opens what it names to the machine it was given to', async () => {
  expect(await connects(one, OFFICE, 8080)).toBe(true)
  expect(await connects(two, OFFICE, 8080)).toBe(false)
})

test('one machine reaches none of what is closed', async () => {
  const reached: string[] = []
  for (const [what, address, port] of forbidden()) if (await connects(one, address, port)) reached.push(what)
  expect(reached).toEqual([])
}, 180_000)

describe('a machine cannot speak as another', () => {
  const counted = async (): Promise<number> => {
    const text = await nft('list chain netdev l2 in', [
      'nsenter',
      `--net=/run/netns/${namespaceOf(one)}`,
      '--',
    ])
    return [...text.matchAll(/packets (\d+)/g)].reduce((sum, [, packets]) => sum + Number(packets), 0)
  }
  test.each([
    [
      'by its hardware address',
      'ip link set eth0 address 52:54:00:00:00:99; ping -c 1 -W 1 203.0.113.2; ip link set eth0 address 52:54:00:00:00:10',
    ],
    [
      'by its address',
      'ip addr add 5.6.7.8/32 dev eth0; ping -c 1 -W 1 -I 5.6.7.8 203.0.113.2; ip addr del 5.6.7.8/32 dev eth0',
    ],
    [
      'by ARP, as the gateway',
      'arping -c 1 -w 1 -U -s 10.99.0.1 -I eth0 10.99.0.1 || true; ip addr add 10.99.0.1/32 dev eth0; arping -c 1 -w 1 -U -I eth0 -s 10.99.0.1 10.99.0.1; ip addr del 10.99.0.1/32 dev eth0',
    ],
    ['to everybody', 'udhcpc -n -q -t 1 -T 1 -i eth0 -s /bin/true'],
  ])('%s', async (_, script) => {
    const before = await counted()
    await inGuest(one, `${script}; ip link set eth0 up; ip route add default via 10.99.0.1 2>/dev/null; true`)
    expect(await counted()).toBeGreaterThan(before)
    expect(await connects(one, PUBLIC, 8080)).toBe(true)
  })
  test('and the host’s end believes no ARP', async () => {
    const { stdout } = await execute('ip', ['-n', namespaceOf(one), 'neigh', 'show', 'dev', 'tap0'])
    expect(stdout.trim()).toBe('10.99.0.2 lladdr 52:54:00:00:00:10 PERMANENT')
  })
})

test('a process with a machine’s uid has no network in the host’s namespace either', async () => {
  const attempt = () =>
    execute('setpriv', [
      ...[`--reuid=${host.settings.uidBase + 5}`, '--clear-groups', '--', 'perl', '-MSocket', '-e'],
      `alarm 3; socket(S, PF_INET, SOCK_STREAM, 0) && connect(S, pack_sockaddr_in(${HOST_PORT}, inet_aton("127.0.0.1"))) or exit 1`,
    ])
  await expect(attempt()).rejects.toThrow()
  await nft(`flush chain inet slw.${host.settings.host}.ring output`)
  await attempt()
})

test('what somebody flushed is back with the next machine', async () => {
  const table = `inet slw.${host.settings.host}.ring`
  await nft(`flush chain ${table} forward`)
  const third = host.machine()
  await driver.clone({
    machine: third,
    spec: host.spec,
    image: host.image,
    disk: host.disk,
    step: () => {},
    signal: never,
  })
  expect(await nft(`list chain ${table} forward`)).toContain('counter packets')
  await driver.destroy(third)
})

test('with the rules taken away, everything that was closed connects', async () => {
  await nft(`delete table inet slw.${host.settings.host}.ring`)
  // Without the host's masquerading the world and the office must know the way back.
  await execute('ip', ['-n', WORLD, 'route', 'replace', '100.64.0.0/16', 'via', '203.0.113.1'])
  for (const clone of [one, two]) {
    await nftIn(clone, 'flush chain inet fw forward; flush chain inet fw input; flush chain inet fw output')
    await nftIn(clone, 'chain inet fw forward { policy accept; }')
    await nftIn(clone, 'chain inet fw input { policy accept; }')
    await nftIn(clone, 'chain inet fw output { policy accept; }')
    await nftIn(
      clone,
      `add rule inet fw prerouting iifname "up0" ip daddr ${clone.address} tcp dport { 22, 2222 } dnat ip to 10.99.0.2`,
    )
  }
  const closed: string[] = []
  for (const [what, address, port] of forbidden())
    if (!(await connects(one, address, port))) closed.push(what)
  expect(closed).toEqual([])
}, 180_000)
