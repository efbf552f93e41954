/**
 * A command in a fresh machine: ask, wait, run, give back. Against the coordinator that runs, or alone: then Slipway
 * is started for this one call, as a child that stops by itself when this process is gone, however it ends.
 */
import type { Client, LeaseView } from '../../api/index.ts'
import { type FlavorName, type LeaseName, parseId, SlipwayError, systemClock } from '../../model/index.ts'
import { type Alone, startAlone } from '../alone.ts'
import type { Call } from '../command.ts'
import { runInGuest, toAccess } from '../guest-command.ts'
import { askForLease, keepAlive, newLeaseName, release, untilGranted } from '../lease.ts'
import { lastStep } from '../making.ts'
import { watchParent } from '../parent.ts'
import { type Progress, progress, silent } from '../progress.ts'
import { isUnreachable, reach } from '../reach.ts'
import { waitingLine } from '../waiting-line.ts'

export async function main(call: Call): Promise<number> {
  if (call.rest.length === 0) {
    throw new SlipwayError('bad_request', { detail: 'run needs a command after --, e.g. -- uname -a' })
  }
  const shown = call.options.flag('quiet') ? silent : progress(call.io.stderr, systemClock)
  const stop = new AbortController()
  const deadlineMs = call.options.durationMs('timeout')
  const timer = deadlineMs === undefined ? undefined : setTimeout(expire, deadlineMs, stop, deadlineMs)
  const unwatch = watchParent(call.io.env, () =>
    stop.abort(new SlipwayError('cancelled', { what: 'the command, whose parent process died,' })),
  )
  try {
    return await runOnce(call, shown, AbortSignal.any([call.io.signal, stop.signal]))
  } finally {
    clearTimeout(timer)
    unwatch()
    shown.clear()
  }
}

function expire(stop: AbortController, deadlineMs: number): void {
  stop.abort(new SlipwayError('timed_out', { step: 'slipway run', deadlineMs }))
}

interface Run {
  readonly call: Call
  readonly shown: Progress
  readonly client: Client
  readonly name: LeaseName
  readonly flavor: FlavorName
  readonly signal: AbortSignal
}

async function runOnce(call: Call, shown: Progress, signal: AbortSignal): Promise<number> {
  const flavor = parseId('FlavorName', call.args[0] ?? '')
  const run = { call, shown, client: await reach(call), name: newLeaseName(), flavor, signal }
  const alone = await startIfNobodyAnswers(run)
  try {
    return await inOwnMachine(run)
  } finally {
    if (alone !== undefined) {
      shown.step('stopping Slipway')
      await alone.end()
      shown.step('nothing is left')
    }
  }
}

/** Whatever happens in between, the lease is given back. */
async function inOwnMachine(run: Run): Promise<number> {
  const { client, name, flavor, shown, signal } = run
  // Aborts with why the lease is over, or with nothing to say once the command has ended.
  const over = new AbortController()
  const image = run.call.options.text('image')
  const ask = {
    client,
    clock: systemClock,
    name,
    flavor,
    image,
    signal: AbortSignal.any([signal, over.signal]),
  }
  try {
    shown.step(`lease ${name} asks for a ${flavor} machine`)
    const asked = await askForLease(ask)
    const heartbeats = keepAlive({ ...ask, signal: over.signal })
    heartbeats.catch((error: unknown) => over.abort(error))
    const lease = await untilGranted(ask, asked, async (view) => {
      shown.step((await lastStep(client, flavor, ask.signal)) ?? waitingLine(view))
    })
    return await runCommand({ ...run, signal: ask.signal }, lease)
  } finally {
    over.abort(new SlipwayError('cancelled', { what: 'the heartbeat' }))
    if (await release(client, name)) shown.step(`lease ${name} is released`)
  }
}

async function runCommand({ call, shown, client, name, signal }: Run, lease: LeaseView): Promise<number> {
  const machine = lease.machine ?? '?'
  for (const { step, atMs } of lease.timeline ?? []) shown.step(`  ${step} at ${Math.round(atMs)} ms`)
  const access = toAccess(await client.call('leaseAccess', { params: { lease: name }, signal }))
  const connected = (): void => {
    shown.step(`machine ${machine} is ready on host ${lease.host ?? '?'}`)
    shown.clear()
  }
  const code = await runInGuest({ io: call.io, access, machine, words: call.rest, signal, connected })
  shown.step(`the command ended with ${code}`)
  return code
}

/** Slipway, started for this call, when no coordinator answers; undefined when one does. */
async function startIfNobodyAnswers({ call, shown, client, name, signal }: Run): Promise<Alone | undefined> {
  try {
    await client.call('health', { signal })
    return undefined
  } catch (error) {
    if (!isUnreachable(error) || call.io.env.SLIPWAY_TOKEN !== undefined) throw error
    if (process.getuid?.() !== 0) throw error
  }
  shown.step('nothing answers, so Slipway is started for this command')
  try {
    return await startAlone({ config: call.config, lease: name, client, signal })
  } catch (error) {
    // Another call started it in the same moment: asking waits until that one answers.
    if (error instanceof SlipwayError && error.code === 'coordinator_running') return undefined
    throw error
  }
}
