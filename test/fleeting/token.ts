/** A runner's token as its operator keeps it: in a file beside the configuration, for its owner alone. */
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { call, type Paths } from '../up/instance.ts'

/** The file, made if the runner has none yet. */
export async function tokenOf(paths: Paths, runner: string): Promise<string> {
  const file = join(paths.config, `${runner}.token`)
  if (existsSync(file)) return file
  const { stdout } = await call(paths, 'token', 'create', runner)
  writeFileSync(file, stdout, { mode: 0o600 })
  return file
}
