/** Our fleeting plugin as gitlab-runner's config.toml names it; a runner finds it on PATH. */
import { join } from 'node:path'
import { stringify } from 'smol-toml'

/** To be put before PATH. */
export const pluginFolder = join(import.meta.dirname, '../../bin')

export interface FleetingOptions {
  readonly pluginConfig: Readonly<Record<string, string | number>>
  readonly idleCount: number
  readonly maxInstances: number
  readonly shell: 'bash' | 'sh'
  /** Further keys of `[runners.autoscaler]`. */
  readonly more?: Readonly<Record<string, unknown>>
}

/** `executor = "instance"` and `[runners.autoscaler]`: each machine for one job. */
export function instanceExecutor(options: FleetingOptions): string {
  const { pluginConfig, idleCount, maxInstances, shell, more = {} } = options
  const autoscaler = {
    plugin: 'fleeting-plugin-slipway',
    capacity_per_instance: 1,
    max_use_count: 1,
    max_instances: maxInstances,
    delete_instances_on_shutdown: true,
    ...more,
    plugin_config: pluginConfig,
    policy: [{ idle_count: idleCount, idle_time: '20m0s' }],
  }
  const sections = stringify({ runners: { autoscaler } }).replaceAll(/^\[\[?runners\]?\]\n/gm, '')
  return `executor = "instance"\nshell = "${shell}"\n${sections}`
}
