/** What gitlab-runner's custom executor calls: the exit code is the runner's language, so nothing is thrown from here. */
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import { customExecutor, type StageName } from '../../fronts/index.ts'
import type { Call, Main } from '../command.ts'
import { VERSION } from '../version.ts'

const main =
  (stage: StageName): Main =>
  ({ io, args, config }: Call) =>
    customExecutor(stage, {
      env: io.env,
      args,
      stdout: io.stdout as Writable,
      stderr: io.stderr as Writable,
      signal: io.signal,
      settingsFile: join(config, 'custom-executor.toml'),
      version: VERSION,
    })

export const configStage = { main: main('config') }
export const prepareStage = { main: main('prepare') }
export const runStage = { main: main('run') }
export const cleanupStage = { main: main('cleanup') }
