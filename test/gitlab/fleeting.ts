/** Our fleeting plugin as gitlab-runner's config.toml names it; a runner finds it on PATH. */
import { join } from 'node:path'
import { stringify } from 'smol-toml'

/** To be put before PATH. */
export const pluginFolder = join(import.meta.dirname, '../../bin')

export interface FleetingOptions {
  readonly pluginConfig: Readonly<Record<string, string | number>>
  readonly idleCount: number
  readonly maxInstances: number
  /** Further keys of `[runners.autoscaler]`. */
  readonly more?: Readonly<Record<string, unknown>>
}

export interface InstanceOptions extends FleetingOptions {
  readonly shell: 'bash' | 'sh'
}

export interface DockerOptions extends FleetingOptions {
  /** Keys of `[runners.docker]`. */
  readonly docker: Readonly<Record<string, unknown>>
}

/** `executor = "instance"` and `[runners.autoscaler]`: each machine for one job. */
export const instanceExecutor = ({ shell, ...options }: InstanceOptions): string =>
  `executor = "instance"\nshell = "${shell}"\n${sections({ autoscaler: autoscaler(options) })}`

/** `executor = "docker-autoscaler"`: the same machines, each job in a container of its own in one. */
export const dockerExecutor = ({ docker, ...options }: DockerOptions): string =>
  `executor = "docker-autoscaler"\n${sections({ docker, autoscaler: autoscaler(options) })}`

const autoscaler = ({ pluginConfig, idleCount, maxInstances, more = {} }: FleetingOptions): object => ({
  plugin: 'fleeting-plugin-slipway',
  capacity_per_instance: 1,
  max_use_count: 1,
  max_instances: maxInstances,
  delete_instances_on_shutdown: true,
  ...more,
  plugin_config: pluginConfig,
  policy: [{ idle_count: idleCount, idle_time: '20m0s' }],
})

/** Sections of `[[runners]]`, which stands before. */
const sections = (runners: object): string => stringify({ runners }).replaceAll(/^\[\[?runners\]?\]\n/gm, '')
