import type { LeaseView } from '../../api/index.ts'
import { failureNext, failureText, parseId } from '../../model/index.ts'
import type { Call } from '../command.ts'
import { EXIT } from '../exit.ts'
import { writeJson } from '../json.ts'
import { reach } from '../reach.ts'
import { roughly } from '../text.ts'

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

function waitingLines({ waiting }: LeaseView): readonly string[] {
  if (waiting === undefined) return []
  const estimate = waiting.estimateMs === undefined ? '' : `, about ${roughly(waiting.estimateMs)} to go`
  return [
    `  waits at position ${waiting.position}, ${waiting.making} machines in the making${estimate}`,
    ...(waiting.reason === undefined
      ? []
      : [
          `  because ${failureText(waiting.reason)} (${waiting.reason.code})`,
          `  next: ${failureNext(waiting.reason)}`,
        ]),
  ]
}
