import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { FrameSplitter } from './frame-splitter.ts'
import { ErrorReply, events, procedures, streams } from './generated/protocol.ts'
import { decodeMessage, encodeMessage, type MessageHeader } from './message.ts'
import { domainState, lifecycle } from './names.ts'
import { type Codec, encode, readWhole } from './xdr/index.ts'

/**
 * What virsh 11.3 and libvirtd said to each other (recorded by test/integration/record-virsh.ts):
 * each message of ours must decode, and encode to the same bytes. What virsh calls besides is left
 * out but for its framing.
 */
interface Frame {
  readonly from: 'client' | 'server'
  readonly bytes: Buffer
}

function session(name: string): readonly Frame[] {
  const file = readFileSync(new URL(`./fixtures/virsh-${name}.json`, import.meta.url), 'utf8')
  const { frames } = JSON.parse(file) as { frames: readonly { from: Frame['from']; hex: string }[] }
  return frames.map(({ from, hex }) => ({ from, bytes: Buffer.from(hex, 'hex') }))
}

const sessions = ['domains', 'qemu', 'save', 'console', 'events'].map(
  (name) => [name, session(name)] as const,
)
const rows = Object.entries<{
  readonly program: number
  readonly procedure: number
  readonly args?: Codec<unknown>
  readonly reply?: Codec<unknown>
  readonly payload?: Codec<unknown>
}>({ ...procedures, ...streams, ...events })

function nameOf(header: MessageHeader): string {
  const found = rows.find(([, row]) => row.program === header.program && row.procedure === header.procedure)
  return found?.[0] ?? `${header.program}/${header.procedure}`
}

/** The codec of a message's payload; none for stream data and for what is not in our table. */
function codecOf(header: MessageHeader): Codec<unknown> | undefined {
  const row = rows.find(([name]) => name === nameOf(header))?.[1]
  if (header.type === 'stream' || row === undefined) return undefined
  if (header.type === 'call') return row.args
  if (header.type === 'message') return row.payload
  return header.status === 'error' ? ErrorReply : row.reply
}

describe.each(sessions)('in the session "%s"', (_, frames) => {
  test('every message decodes and encodes to the same bytes', () => {
    let codecs = 0
    for (const { bytes } of frames) {
      const { header, payload } = decodeMessage(bytes.subarray(4))
      const codec = codecOf(header)
      const value = codec ? readWhole(codec, payload) : payload.rest()
      const again = encodeMessage(header, (writer) =>
        codec ? codec.write(writer, value) : writer.raw(value as Buffer),
      )
      expect(again.toString('hex'), nameOf(header)).toBe(bytes.toString('hex'))
      if (codec) codecs++
    }
    expect(codecs).toBeGreaterThan(15)
  })

  test.each(['client', 'server'] as const)('the frames of the %s come out however they are cut', (side) => {
    const own = frames.filter(({ from }) => from === side).map(({ bytes }) => bytes)
    const whole = Buffer.concat(own)
    for (const size of [1, 2, 3, 5, 7, 28, 1_000, whole.length]) {
      const splitter = new FrameSplitter()
      const out: Buffer[] = []
      for (let at = 0; at < whole.length; at += size)
        out.push(...splitter.push(whole.subarray(at, at + size)))
      expect(out).toEqual(own.map((bytes) => bytes.subarray(4)))
    }
  })
})

function payloads(type: MessageHeader['type'], name: string): readonly string[] {
  return sessions
    .flatMap(([, frames]) => frames)
    .map(({ bytes }) => decodeMessage(bytes.subarray(4)))
    .filter(({ header }) => header.type === type && nameOf(header) === name)
    .map(({ payload }) => payload.rest().toString('hex'))
}

describe('what we would send is what virsh sent', () => {
  const made = { name: 'made', uuid: '0b1e7a52-7d3a-4c7e-9a55-2f8f0c1d2e3f', id: 2 }
  const metadata = { type: 2, uri: 'https://slipway.test/1', flags: 0 }
  const sent: readonly (readonly [string, Buffer])[] = [
    ['authList', encode(procedures.authList.args, {})],
    ['connectSupportsFeature', encode(procedures.connectSupportsFeature.args, { feature: 10 })],
    ['connectOpen', encode(procedures.connectOpen.args, { name: 'test:///default', flags: 0 })],
    ['connectOpen', encode(procedures.connectOpen.args, { name: 'qemu:///system', flags: 0 })],
    ['connectListAllDomains', encode(procedures.connectListAllDomains.args, { needResults: 1, flags: 3 })],
    ['domainLookupByName', encode(procedures.domainLookupByName.args, { name: 'nope' })],
    ['domainLookupByUuid', encode(procedures.domainLookupByUuid.args, { uuid: made.uuid })],
    ['domainSuspend', encode(procedures.domainSuspend.args, { dom: made })],
    [
      'domainSetMetadata',
      encode(procedures.domainSetMetadata.args, {
        dom: made,
        ...metadata,
        metadata: '<machine id="7"/>',
        key: 'slipway',
      }),
    ],
    ['domainGetMetadata', encode(procedures.domainGetMetadata.args, { dom: made, ...metadata })],
    [
      'connectGetAllDomainStats',
      encode(procedures.connectGetAllDomainStats.args, { doms: [], stats: 1, flags: 0 }),
    ],
    [
      'connectGetDomainCapabilities',
      encode(procedures.connectGetDomainCapabilities.args, {
        emulator: undefined,
        arch: 'x86_64',
        machine: undefined,
        virtType: 'kvm',
        flags: 0,
      }),
    ],
    [
      'connectDomainEventCallbackRegisterAny',
      encode(procedures.connectDomainEventCallbackRegisterAny.args, { eventId: 18, dom: undefined }),
    ],
  ]

  test.each(sent)('%s', (name, bytes) => {
    expect(payloads('call', name)).toContain(bytes.toString('hex'))
  })
})

test('every call of the table was recorded but for those virsh has no command for', () => {
  const recorded = new Set(
    sessions.flatMap(([, frames]) =>
      frames.map(({ bytes }) => nameOf(decodeMessage(bytes.subarray(4)).header)),
    ),
  )
  const missing = rows.map(([name]) => name).filter((name) => !recorded.has(name))
  expect(missing).toEqual(['connectGetUri', 'domainCreateWithFlags'])
})

test('recorded states, errors and events have the names libvirt gave them', () => {
  const hex = (text: string | undefined): Buffer => Buffer.from(text ?? '', 'hex')
  const [state] = payloads('reply', 'domainGetState')
  expect(domainState(hex(state).readInt32BE(0), hex(state).readInt32BE(4))).toEqual({
    state: 'running',
    reason: 'unknown',
  })
  const changes = payloads('message', 'domainEventCallbackLifecycle').map((payload) =>
    hex(payload).subarray(-8),
  )
  expect(changes.map((bytes) => lifecycle(bytes.readInt32BE(0), bytes.readInt32BE(4)))).toEqual([
    { event: 'started', detail: 'booted' },
    { event: 'suspended', detail: 'paused' },
    { event: 'resumed', detail: 'unpaused' },
    { event: 'shutdown', detail: 'host' },
    { event: 'stopped', detail: 'destroyed' },
  ])
})
