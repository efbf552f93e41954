import { agentSettings } from '../../agent/index.ts'
import { coordinatorSettings } from '../../coordinator/index.ts'
import type { Call } from '../command.ts'
import { EXIT } from '../exit.ts'
import { writeJson } from '../json.ts'
import { table } from '../text.ts'

/** Prints what holds, whoever decided it: a file's line, or nobody, which is the default. */
export async function main(call: Call): Promise<number> {
  const { io, config, json, options } = call
  const settings = [...(await coordinatorSettings(config)), ...(await agentSettings(config))]
  const rows = settings.map(({ file, key, value, line }) => ({
    file: file.slice(config.length).replace(/^\/+/, ''),
    key,
    value,
    origin: line === undefined ? 'default' : `${file}:${line}`,
  }))
  if (json) {
    writeJson(io, { settings: rows.map((row) => ({ ...row, value: row.value ?? null })) })
    return EXIT.ok
  }
  const shown = rows.map(({ file, key, value, origin }) => [
    file,
    key,
    value === undefined ? undefined : JSON.stringify(value),
    ...(options.flag('origin') ? [origin] : []),
  ])
  io.print(table(['file', 'key', 'value', ...(options.flag('origin') ? ['origin'] : [])], shown))
  return EXIT.ok
}
