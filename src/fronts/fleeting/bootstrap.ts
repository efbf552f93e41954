/**
 * `bootstrap REPOSITORY`: installs the plugin into a folder of plugins, where `gitlab-runner fleeting install` and
 * `plugin = "REPOSITORY:VERSION"` find it. What is put there is a launcher of this installation.
 */
import { mkdir, mkdtemp, rename, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { shellQuote } from '../../guest/index.ts'
import { SlipwayError } from '../../model/index.ts'
import type { Env } from './handshake.ts'

export interface BootstrapOptions {
  readonly repository: string | undefined
  readonly env: Env
  readonly version: string
  /** Path of `fleeting-plugin-slipway` as it is installed. */
  readonly program: string
}

const FOLDER_DEFAULT = '/plugins'
const REGISTRY_DEFAULT = 'registry.gitlab.com'
const NAMESPACE_DEFAULT = 'gitlab-org/fleeting/plugins'

/** Gives the folder it is in. Installed already is as good. */
export async function bootstrap({ repository, env, version, program }: BootstrapOptions): Promise<string> {
  const plugins = env.FLEETING_PLUGIN_PATH || FOLDER_DEFAULT
  const folder = join(plugins, repositoryPath(repository ?? ''), version)
  if (await exists(folder)) return folder
  if (!(await exists(plugins)))
    throw new SlipwayError('host_setup', {
      object: 'the plugin',
      detail: `folder ${plugins} does not exist; FLEETING_PLUGIN_PATH names another`,
    })
  const fresh = await mkdtemp(join(plugins, '.new-'))
  try {
    await writeFile(join(fresh, 'plugin'), `#!/bin/sh\nexec ${shellQuote(program)} "$@"\n`, { mode: 0o755 })
    await mkdir(dirname(folder), { recursive: true })
    await rename(fresh, folder)
  } finally {
    await rm(fresh, { recursive: true, force: true })
  }
  return folder
}

/** A reference as the runner reads it: the registry and the namespace may be left out, a version is not looked at. */
export function repositoryPath(reference: string): string {
  const name = reference.replace(/:[^/:]*$/, '')
  if (!/^[a-zA-Z0-9][\w.-]*(:\d+)?(\/[a-zA-Z0-9][\w.-]*)*$/.test(name) || name.length > REFERENCE_CHARS_MAX)
    throw new SlipwayError('bad_request', {
      detail: 'bootstrap takes the repository of the plugin, e.g. slipway',
    })
  const [first = '', ...rest] = name.split('/')
  if (rest.length === 0) return `${REGISTRY_DEFAULT}/${NAMESPACE_DEFAULT}/${name}`
  return first.includes('.') ? name : `${REGISTRY_DEFAULT}/${name}`
}

const REFERENCE_CHARS_MAX = 255

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )
