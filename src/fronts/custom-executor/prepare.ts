/**
 * `prepare_exec`: asks for the job's lease and waits for its machine. The runner tries it three times after a system
 * failure, with a cleanup after each, so it may find its own lease, or begin anew.
 */
import type { CallOptions, LeaseView } from '../../api/index.ts'
import { SlipwayError, sleep, within } from '../../model/index.ts'
import { printable } from '../printable.ts'
import { type Choice, choose } from './choice.ts'
import { during, endFailure, keepAlive, TTL_MS } from './lease.ts'
import { endLines, failureLines, waitingLine, whyLine } from './report.ts'
import { print, type Stage } from './stage.ts'

/** How often a waiting lease is looked at for a new reason. */
const LOOK_MS = 2_000
/** The same reason is told again this often: a silent log looks dead. */
const REMIND_MS = 30_000

/** What no second try can change: the job asks for what it may not have. */
const JOBS_OWN: ReadonlySet<string> = new Set([
  'not_offered',
  'unknown_flavor',
  'unknown_image',
  'not_allowed',
])

export async function prepareStage(stage: Stage): Promise<number> {
  const askedAtMs = stage.clock.now()
  try {
    const choice = choose(stage.job.wish, stage.settings)
    const view = await obtain(stage, choice)
    if (view.state === 'granted') {
      const waited = Math.round(stage.clock.now() - askedAtMs)
      print(stage.stdout, [
        `machine ${view.machine} (${view.flavor}) is ready on host ${view.host} after ${waited} ms`,
      ])
      return 0
    }
    print(stage.stdout, endLines(endFailure(view), view))
    return stage.codes.systemFailure
  } catch (error) {
    if (!(error instanceof SlipwayError) || !JOBS_OWN.has(error.code)) throw error
    print(stage.stdout, failureLines(error.failure))
    return stage.codes.buildFailure
  }
}

async function obtain(stage: Stage, { flavor, image }: Choice): Promise<LeaseView> {
  const { lease, settings, signal } = stage
  const step = `waiting for a machine of flavor ${flavor}`
  return within({ step, deadlineMs: settings.prepareDeadlineMs, signal }, async (limited) => {
    const body = { name: lease, flavor, ttlMs: TTL_MS, ...(image === undefined ? {} : { image }) }
    const view = await ask(stage, body, limited)
    if (view.state !== 'waiting') return view
    return during({ ...stage, signal: limited }, [keepAlive], (inner) => settled(stage, view, inner))
  })
}

/** A runner with more jobs than its token has leases queues them here: each that ends makes room. */
async function ask(stage: Stage, body: AskBody, signal: AbortSignal): Promise<LeaseView> {
  const { client, clock, stdout } = stage
  for (let told = false; ; told = true) {
    try {
      return await client.call('leaseAsk', { body, signal })
    } catch (error) {
      if (!(error instanceof SlipwayError) || error.code !== 'too_busy') throw error
      if (!told) print(stdout, [`waiting for a lease: ${printable(error.message)}`])
      await sleep(clock, LOOK_MS, signal)
    }
  }
}

type AskBody = CallOptions<'leaseAsk'>['body']

/** The lease once it waits no more; says meanwhile why it does. */
async function settled(stage: Stage, first: LeaseView, signal: AbortSignal): Promise<LeaseView> {
  const { client, clock, lease, stdout } = stage
  const query = { waitMs: LOOK_MS, state: 'waiting' } as const
  let view = first
  let said = { why: '', atMs: 0 }
  while (view.state === 'waiting') {
    const why = whyLine(view)
    if (why !== said.why || clock.now() - said.atMs > REMIND_MS) {
      print(stdout, [waitingLine(view)])
      said = { why, atMs: clock.now() }
    }
    view = await client.call('leaseGet', { params: { lease }, query, signal })
  }
  return view
}
