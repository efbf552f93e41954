import { defineConfig } from 'vitest/config'
import { isolatedForks } from './test/runner/isolated-forks.ts'

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          // A busy machine is no failure.
          testTimeout: 30_000,
          include: [
            'src/**/*.test.ts',
            'test/*.test.ts',
            'test/results/*.test.ts',
            'test/scenarios/**/*.test.ts',
            'test/sim/plant.test.ts',
          ],
        },
      },
      {
        test: {
          name: 'integration',
          pool: isolatedForks,
          isolate: true,
          globalSetup: ['test/runner/leftovers.ts', 'test/runner/tiny-image.ts'],
          include: ['test/{conformance,integration,e2e,chaos}/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 180_000,
        },
      },
      {
        test: {
          name: 'simulation',
          include: ['test/sim/simulation.test.ts'],
          testTimeout: 1_200_000,
        },
      },
    ],
  },
})
