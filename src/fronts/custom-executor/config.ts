import type { Stage } from './stage.ts'

/** `config_exec`: what the runner is to know of this executor, as JSON on stdout. */
export async function configStage({ stdout, settings, version }: Stage): Promise<number> {
  const config = {
    driver: { name: 'Slipway', version },
    // In the log line "Running on <guest> via <hostname>": which host is not known yet.
    hostname: 'slipway',
    builds_dir: settings.buildsDir,
    cache_dir: settings.cacheDir,
    builds_dir_is_shared: false,
    shell: settings.shell,
  }
  stdout.write(JSON.stringify(config))
  return 0
}
