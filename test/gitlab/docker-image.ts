/** The image that docker-autoscaler is tested with: debian-docker, the tests' container images, the runner's helper. */
import { existsSync } from 'node:fs'
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { ImageStore } from '../../src/agent/index.ts'
import { madeImage, ownFolder } from '../runner/made-image.ts'
import { runnerBinary } from './runner.ts'

export const MAKE_DOCKER_IMAGE = 'SLIPWAY_GITLAB_RUNNER_BIN=… sh bin/node test/gitlab/make-docker-image.ts'

const images = join(import.meta.dirname, '../../images')
const recipe = join(import.meta.dirname, 'docker-jobs')
const name = 'docker-jobs'
const PARTS = ['apt', 'debian', 'debian-docker', 'disk', 'kit']

/** gitlab-runner-helper, beside the runner. */
function helperBinary(): string | undefined {
  const runner = runnerBinary()
  const helper = join(dirname(runner ?? ''), 'gitlab-runner-helper')
  return runner !== undefined && existsSync(helper) ? helper : undefined
}

/** Folder of the store that holds it; undefined where it was not made, or not since a change of its parts. */
export async function dockerImage(): Promise<string | undefined> {
  const helper = helperBinary()
  if (helper === undefined) return undefined
  const folder = await folderOf(helper)
  return (await new ImageStore(folder).manifests()).length > 0 ? folder : undefined
}

/** Makes it, as an operator would make one with container images: a recipe beside debian-docker. */
export async function makeDockerImage(): Promise<string> {
  const helper = helperBinary()
  if (helper === undefined) throw new Error('no gitlab-runner-helper beside SLIPWAY_GITLAB_RUNNER_BIN')
  const recipes = await mkdtemp(join(tmpdir(), 'docker-jobs-'))
  try {
    for (const part of PARTS) await symlink(join(images, part), join(recipes, part))
    await cp(recipe, join(recipes, name), { recursive: true })
    await cp(helper, join(recipes, name, 'gitlab-runner-helper'))
    return await madeImage({ name, recipes, folder: await folderOf(helper) })
  } finally {
    await rm(recipes, { recursive: true, force: true })
  }
}

const folderOf = (helper: string): Promise<string> =>
  ownFolder(name, [...PARTS.map((part) => join(images, part)), recipe, helper])
