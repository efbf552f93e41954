import { join } from 'node:path'
import { ForksPoolWorker, type PoolRunnerInitializer } from 'vitest/node'

/**
 * Each test file in a process of its own with a network namespace of its own, which plays the host: what a test does
 * to the network it does to that, no probe leaves the machine, and nothing is left when the process ends. Without root
 * the process runs as it is; tests that need more say so.
 */
export const isolatedForks: PoolRunnerInitializer = {
  name: 'isolated-forks',
  createPoolWorker: (options) => new IsolatedForksWorker(options),
}

class IsolatedForksWorker extends ForksPoolWorker {
  override start(): Promise<void> {
    const node = process.execPath
    // `fork` reads it when it is called, and offers no other way through the pool.
    this.env = { ...this.env, SLIPWAY_TEST_NODE: node }
    process.execPath = join(import.meta.dirname, 'isolated')
    try {
      return super.start()
    } finally {
      process.execPath = node
    }
  }
}
