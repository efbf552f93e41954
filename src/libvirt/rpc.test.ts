import { Socket } from 'node:net'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { events, procedures } from './generated/protocol.ts'
import { encodeMessage } from './message.ts'
import { Rpc } from './rpc.ts'

test('what a listener throws is not swallowed, and ends the connection', async () => {
  const socket = new Socket()
  const rpc = new Rpc(socket, {
    inFlightMax: 1,
    keepAlive: { intervalMs: 1_000_000, count: 1 },
    onEvent() {
      throw new Error('a bug')
    },
  })
  const header = { ...events.domainEventCallbackLifecycle, type: 'message', serial: 0, status: 'ok' } as const
  expect(() =>
    socket.emit(
      'data',
      encodeMessage(header, () => {}),
    ),
  ).toThrow('a bug')
  await expect(rpc.closed).resolves.toMatchObject({ code: 'CONNECTION_LOST', cause: { message: 'a bug' } })
})

test('no bytes whatever make it throw: they are passed over, or end it with a protocol error', async () => {
  const { program, version, procedure } = procedures.domainLookupByName
  // Half of them noise; half a well-formed frame with a few bytes changed, which gets much further.
  const header = fc.record({
    program: fc.constantFrom(program, events.keepalivePing.program, 1),
    version: fc.constant(version),
    procedure: fc.constantFrom(procedure, 1, 2, 318),
    type: fc.constantFrom('reply', 'stream', 'message', 'streamHole' as const),
    serial: fc.integer({ min: 0, max: 3 }),
    status: fc.constantFrom('ok', 'error', 'continue' as const),
  })
  const frame = fc
    .tuple(
      header,
      fc.uint8Array({ maxLength: 40 }),
      fc.array(fc.tuple(fc.nat(67), fc.nat(255)), { maxLength: 2 }),
    )
    .map(([of, payload, changes]) => {
      const bytes = encodeMessage(of, (writer) => writer.raw(payload))
      for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value
      return bytes
    })
  const noise = fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.from(bytes))
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(frame, noise), { maxLength: 6 }), async (chunks) => {
      const socket = new Socket()
      const rpc = new Rpc(socket, {
        inFlightMax: 9,
        keepAlive: { intervalMs: 1_000_000, count: 1 },
        onEvent() {},
      })
      const patience = { signal: undefined, timeoutMs: 1_000_000 }
      const row = procedures.domainLookupByName
      const calls = ['a', 'b'].map((name) => rpc.call({ name: 'x', row, args: { name }, ...patience }))
      const outcomes = Promise.allSettled(calls)
      for (const chunk of chunks) socket.emit('data', chunk)
      rpc.end(new Error('the test is over'))
      const reason = await rpc.closed
      expect(reason.message === 'the test is over' || reason.name === 'LibvirtProtocolError').toBe(true)
      for (const outcome of await outcomes) expect(outcome.status).toBeDefined()
    }),
    { numRuns: 2_000 },
  )
})
