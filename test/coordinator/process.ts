/** The coordinator as a process of its own, without the command line around it: `process.ts CONFIG_DIR`. */
import { startCoordinator } from '../../src/coordinator/index.ts'
import { SlipwayError } from '../../src/model/index.ts'

const stop = new AbortController()
process.once('SIGTERM', () => stop.abort())
try {
  await startCoordinator({
    configDir: process.argv[2] ?? '',
    version: '0.1.0',
    signal: stop.signal,
    ready: () => console.log('ready'),
  })
} catch (error) {
  if (!(error instanceof SlipwayError)) throw error
  console.log(`${error.code}: ${error.message}`)
  process.exitCode = 1
}
