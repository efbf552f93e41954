import { SlipwayError } from '../../model/index.ts'
import type { Call } from '../command.ts'
import { runInGuest, toAccess } from '../guest-command.ts'
import { pickMachine } from '../pick.ts'
import { reach } from '../reach.ts'

/** Runs a command in a living machine and passes its exit code on. */
export async function main(call: Call): Promise<number> {
  if (call.rest.length === 0) {
    throw new SlipwayError('bad_request', { detail: 'exec needs a command after --, e.g. -- ps aux' })
  }
  const { signal } = call.io
  const client = await reach(call)
  const { machine } = await pickMachine(client, call.args[0] ?? '', signal)
  const access = toAccess(await client.call('machineAccess', { params: { machine }, signal }))
  return runInGuest({ io: call.io, access, machine, words: call.rest, signal, connected: () => undefined })
}
