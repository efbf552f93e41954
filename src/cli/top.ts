import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The folder this program was installed in, where its `images/` lie: a checkout or a package, bundled or not. */
export function top(): string {
  let at = import.meta.dirname
  while (!existsSync(join(at, 'package.json')) && at !== '/') at = dirname(at)
  return at
}
