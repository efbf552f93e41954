import type { Call } from '../command.ts'
import { EXIT } from '../exit.ts'
import { pickMachine } from '../pick.ts'
import { reach } from '../reach.ts'

/** Destroys machines. All names are looked up first: one that is wrong removes none. */
export async function main(call: Call): Promise<number> {
  const { signal } = call.io
  const client = await reach(call)
  const found = await Promise.all(call.args.map((written) => pickMachine(client, written, signal)))
  for (const { machine } of found) {
    await client.call('machineRemove', { params: { machine }, signal })
    call.io.print(`${machine}\n`)
  }
  return EXIT.ok
}
