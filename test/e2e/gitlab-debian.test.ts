/** One real job in the Debian image: git, bash, artifacts. Its image takes minutes to make, so it is looked for only. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { runnerBinary } from '../gitlab/index.ts'
import { RealBench } from '../gitlab/real-bench.ts'

/** Where `slipway image build debian` puts it. */
const IMAGES = '/var/lib/slipway/images'
const binary = runnerBinary()
const root = process.getuid?.() === 0
const made = hasDebian()
if (binary === undefined)
  console.warn('SKIPPED: SLIPWAY_GITLAB_RUNNER_BIN names no gitlab-runner to test with')
if (!made) console.warn('SKIPPED: no Debian image; make it with `slipway image build debian`')

test.skipIf(binary === undefined || !root || !made)(
  'a job in Debian has the repository, bash and the runner beside it',
  async () => {
    const options = { images: IMAGES, image: 'debian', memoryMiB: 1024, shell: 'bash' } as const
    await using bench = await RealBench.start({ binary: binary ?? '', ...options })
    const job = bench.gitlab.queue({
      script: [
        'cat README.md',
        '[[ one == o* ]] && echo two',
        '. /etc/os-release; echo "on $ID"',
        'date > out',
      ],
      image: 'debian:1',
      artifacts: { paths: ['out'] },
    })
    expect(await job.wait(), job.log).toEqual({ state: 'success' })
    expect(job.log).toMatch(/^a project[\s\S]*^two[\s\S]*^on debian/m)
    expect(job.artifacts?.length).toBeGreaterThan(100)
    await bench.nothingLeft()
  },
  400_000,
)

function hasDebian(): boolean {
  try {
    const manifests = readdirSync(IMAGES).filter((name) => name.endsWith('.json'))
    return manifests.some((name) => JSON.parse(readFileSync(join(IMAGES, name), 'utf8')).name === 'debian')
  } catch {
    return false
  }
}
