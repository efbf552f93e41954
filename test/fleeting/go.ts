/** GitLab's own fleeting library as a program of ours (`client/`), built by the Go that this machine has. */
import { execFile, execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'

const source = join(import.meta.dirname, 'client')
/** Of `client/go.mod`. */
const GO_MINOR_MIN = 23
const places = [process.env.SLIPWAY_GO, 'go', '/usr/local/go/bin/go', '/usr/lib/go-1.23/bin/go']

export type Go = { readonly go: string } | { readonly missing: string }

/** A Go that is new enough, or why there is none. */
export function findGo(): Go {
  const seen: string[] = []
  for (const go of places) {
    if (go === undefined) continue
    const version = versionOf(go)
    if (version === undefined) continue
    if (Number(/^go1\.(\d+)/.exec(version)?.[1] ?? 0) >= GO_MINOR_MIN) return { go }
    seen.push(`${go} is ${version}`)
  }
  const why = seen.length === 0 ? 'there is no Go' : seen.join(', ')
  return { missing: `${why}; Go 1.${GO_MINOR_MIN} is needed, SLIPWAY_GO may name it` }
}

function versionOf(go: string): string | undefined {
  try {
    return execFileSync(go, ['env', 'GOVERSION'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, GOTOOLCHAIN: 'local' },
    }).trim()
  } catch {
    return undefined
  }
}

export interface Programs {
  /** `client PLUGIN CONFIG`. */
  readonly client: string
  /** GitLab's own test of a plugin. */
  readonly provisioning: string
}

const BUILD_MS_MAX = 900_000

/** Builds both; throws what Go says, e.g. that modules cannot be fetched here. Go keeps what it has built before. */
export async function buildPrograms(go: string): Promise<Programs> {
  const out = join(process.env.XDG_CACHE_HOME ?? '/var/cache', 'slipway-test/fleeting-client')
  mkdirSync(out, { recursive: true, mode: 0o700 })
  const programs = { client: join(out, 'client'), provisioning: join(out, 'provisioning') }
  const run = (...args: readonly string[]) =>
    promisify(execFile)(go, [...args], {
      cwd: source,
      timeout: BUILD_MS_MAX,
      env: { ...process.env, GOTOOLCHAIN: 'local', GOFLAGS: '-mod=readonly' },
    })
  await run('build', '-o', programs.client, '.')
  await run('test', '-c', '-o', programs.provisioning, '.')
  return programs
}
