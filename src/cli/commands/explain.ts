import type { LeaseView } from '../../api/index.ts'
import { failureNext, failureText, parseId, roughly } from '../../model/index.ts'
import type { Call } from '../command.ts'
import { EXIT } from '../exit.ts'
import { writeJson } from '../json.ts'
import { reach } from '../reach.ts'
import { missingTemplate } from '../template-words.ts'

/** Says why a lease waits, how its machine came to be, or why it ended. */
export async function main(call: Call): Promise<number> {
  const lease = parseId('LeaseName', call.args[0] ?? '')
  const client = await reach(call)
  const view = await client.call('leaseExplain', { params: { lease }, signal: call.io.signal })
  if (call.json) writeJson(call.io, view)
  else call.io.print(`${explanation(view, Date.now()).join('\n')}\n`)
  return EXIT.ok
}

/** The story of a lease, a line a fact. */
export function explanation(view: LeaseView, nowMs: number): readonly string[] {
  const image = view.image === undefined ? '' : `, image ${view.image}`
  return [
    `lease ${view.name} of ${view.runner}: ${view.end ?? view.state}`,
    `  asked for flavor ${view.flavor}${image}, ${roughly(nowMs - view.askedAtMs)} ago`,
    ...waitingLines(view),
    ...(view.machine === undefined ? [] : [`  machine ${view.machine} on host ${view.host ?? '?'}`]),
    ...(view.timeline ?? []).map(
      ({ step, atMs }) => `    ${String(Math.round(atMs)).padStart(7)} ms  ${step}`,
    ),
    ...(view.failure === undefined
      ? []
      : [`  ${failureText(view.failure)} (${view.failure.code})`, `  next: ${failureNext(view.failure)}`]),
    ...(view.consoleTail === undefined ? [] : ['  last lines of its console:']),
    ...(view.consoleTail ?? []).map((line) => `    ${line}`),
  ]
}

function waitingLines({ flavor, waiting }: LeaseView): readonly string[] {
  if (waiting === undefined) return []
  const { position, making, reason, estimateMs, template } = waiting
  const machines = making === 1 ? '1 machine' : `${making} machines`
  return [
    `  waits at position ${position}, ${machines} in the making`,
    estimateMs === undefined
      ? '  how long is unknown: too little was seen of such machines and jobs lately'
      : `  about ${roughly(estimateMs)} to go, as machines and jobs have lately been`,
    ...(template === undefined ? [] : [`  ${missingTemplate(flavor, template)}`]),
    ...(reason === undefined
      ? [position <= making ? '  because its machine is being made' : '  because its turn comes next']
      : [`  because ${failureText(reason)} (${reason.code})`, `  next: ${failureNext(reason)}`]),
  ]
}
