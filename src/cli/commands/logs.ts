import type { Call } from '../command.ts'
import { EXIT } from '../exit.ts'
import { writeJson } from '../json.ts'
import { pickMachine } from '../pick.ts'
import { reach } from '../reach.ts'

/** Prints the last lines a machine wrote to its console; control characters were removed by its host. */
export async function main(call: Call): Promise<number> {
  const { signal } = call.io
  const client = await reach(call)
  const { machine } = await pickMachine(client, call.args[0] ?? '', signal)
  const lines = call.options.count('lines') ?? LINES_DEFAULT
  const log = await client.call('machineLog', { params: { machine }, query: { lines }, signal })
  if (call.json) writeJson(call.io, { machine, lines: log.lines })
  else call.io.print(log.lines.map((line) => `${line}\n`).join(''))
  return EXIT.ok
}

const LINES_DEFAULT = 100
