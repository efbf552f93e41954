import { describe, expect, it } from 'vitest'
import { seccompFilter } from './seccomp.ts'

/** What the kernel's interpreter of these programs does, as far as they use it (Documentation/networking/filter.rst). */
function verdict(program: Buffer, call: { arch: number; number: number; argument?: number }): number {
  const words = new Map([
    [0, call.number],
    [4, call.arch],
    [16, call.argument ?? 0],
  ])
  let loaded = 0
  for (let at = 0; at * 8 < program.length; at++) {
    const [code, value] = [program.readUInt16LE(at * 8), program.readUInt32LE(at * 8 + 4)]
    const jump = (taken: boolean): void => {
      at += program.readUInt8(at * 8 + (taken ? 2 : 3))
    }
    if (code === 0x06) return value
    if (code === 0x20) loaded = words.get(value) ?? 0
    else if (code === 0x15) jump(loaded === value)
    else if (code === 0x35) jump(loaded >= value)
    else if (code === 0x45) jump((loaded & value) !== 0)
    else throw new Error(`code ${code}`)
  }
  throw new Error('it has no end')
}

const ALLOW = 0x7fff_0000
const DENY = 0x0005_0001
const KILL = 0x8000_0000

describe.each([
  ['x64', 0xc000_003e, { read: 0, socket: 41, ioUringEnter: 426, clone: 56, clone3: 435, reboot: 169 }],
  ['arm64', 0xc000_00b7, { read: 63, socket: 198, ioUringEnter: 426, clone: 220, clone3: 435, reboot: 142 }],
])('on %s', (name, arch, calls) => {
  const program = seccompFilter(name)?.program ?? Buffer.alloc(0)
  const of = (number: number, argument = 0) => verdict(program, { arch, number, argument })

  it('what a reader of files needs is allowed', () => {
    expect([of(calls.read), of(calls.clone, 0x3d0f00)]).toEqual([ALLOW, ALLOW])
  })
  it('what it does not need is not', () => {
    expect([of(calls.socket), of(calls.ioUringEnter), of(calls.reboot)]).toEqual([DENY, DENY, DENY])
  })
  it('new namespaces are closed, by either call', () => {
    expect([of(calls.clone, 0x1000_0000), of(calls.clone3)]).toEqual([DENY, 0x0005_0026])
  })
  it('calls of another machine end the process', () => {
    expect(verdict(program, { arch: 0x4000_0003, number: calls.read })).toBe(KILL)
  })
})

it('the other numbers of an x64 process are closed', () => {
  const program = seccompFilter('x64')?.program ?? Buffer.alloc(0)
  expect(verdict(program, { arch: 0xc000_003e, number: 0x4000_0000 })).toBe(DENY)
})

it('a machine that is not known has no filter', () => {
  expect(seccompFilter('riscv64')).toBeUndefined()
})
