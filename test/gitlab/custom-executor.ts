/** Our front as gitlab-runner's config.toml names it, in this checkout. */
import { join } from 'node:path'

const top = join(import.meta.dirname, '../..')

/** `[runners.custom]`. */
export function customExecutor(config: string): string {
  const stage = (name: string): string => {
    const args = ['--config', config, 'custom-executor', name]
    return `  ${name}_exec = ${JSON.stringify(join(top, 'bin/slipway'))}\n  ${name}_args = ${JSON.stringify(args)}\n`
  }
  return `executor = "custom"\n[runners.custom]\n${['config', 'prepare', 'run', 'cleanup'].map(stage).join('')}`
}
