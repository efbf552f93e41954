/**
 * 200 lookups on libvirt's test driver: one by one, pipelined, and by virsh in one session where it is installed
 * (Debian's package `libvirt-clients`).
 *   sh bin/node bench/libvirt-calls.ts
 */
import { spawn, spawnSync } from 'node:child_process'
import { Connection, domains } from '../src/libvirt/index.ts'
import { PrivateLibvirtd } from '../test/integration/private-libvirtd.ts'

const CALLS = 200
const ROUNDS = 5

await using libvirtd = await PrivateLibvirtd.start()
await using connection = await Connection.open({ socketPath: libvirtd.socketPath, uri: 'test:///default' })
const api = domains(connection)

async function oneByOne(): Promise<void> {
  for (let i = 0; i < CALLS; i++) await api.lookupByName('test')
}

async function pipelined(): Promise<void> {
  await Promise.all(Array.from({ length: CALLS }, () => api.lookupByName('test')))
}

/** `domuuid` is one lookup; starting virsh and opening its connection is part of the figure. */
async function virsh(): Promise<void> {
  const uri = `test+unix:///default?socket=${libvirtd.socketPath}`
  const child = spawn('virsh', ['-q', '-c', uri], { stdio: ['pipe', 'ignore', 'inherit'] })
  child.stdin.end('domuuid test\n'.repeat(CALLS))
  await new Promise((resolve) => child.once('exit', resolve))
}

const hasVirsh = spawnSync('virsh', ['--version']).status === 0
if (!hasVirsh) console.log('virsh is not installed: left out\n')
const ways = { 'one by one': oneByOne, pipelined, ...(hasVirsh && { 'virsh, one session': virsh }) }
/** Median of the rounds, which alternate so that a busy moment of the machine meets all alike. */
const times = new Map<string, number[]>(Object.keys(ways).map((name) => [name, []]))
for (let round = 0; round < ROUNDS; round++) {
  for (const [name, way] of Object.entries(ways)) {
    const start = performance.now()
    await way()
    times.get(name)?.push(performance.now() - start)
  }
}

console.log(`| ${CALLS} lookups | median ms | min | max |\n| --- | ---: | ---: | ---: |`)
for (const [name, values] of times) {
  const sorted = values.toSorted((a, b) => a - b).map((value) => value.toFixed(1))
  console.log(`| ${name} | ${sorted[ROUNDS >> 1]} | ${sorted[0]} | ${sorted.at(-1)} |`)
}
