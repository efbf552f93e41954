/**
 * GitLab's own fleeting library as programs of ours (`client/`): what they say of the plugin is what a runner finds.
 * They are kept by the state of their sources, so that Go and its modules are needed once.
 */
import { execFile, execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

export interface Programs {
  /** `client PLUGIN CONFIG`. */
  readonly client: string
  /** GitLab's own test of a plugin. */
  readonly provisioning: string
}

export interface Missing {
  readonly missing: string
}

const source = join(import.meta.dirname, 'client')
const cache = join(process.env.XDG_CACHE_HOME ?? '/var/cache', 'slipway-test')
/** Of `client/go.mod`. */
const GO_MINOR_MIN = 23
const BUILD_MS_MAX = 900_000

/** The programs, built if they are not there yet; or why there are none. */
export async function fleetingPrograms(): Promise<Programs | Missing> {
  const folder = join(cache, `fleeting-${stateOfSources()}`)
  const programs = { client: join(folder, 'client'), provisioning: join(folder, 'provisioning') }
  if (existsSync(folder)) return programs
  const found = findGo()
  if ('missing' in found) return found
  try {
    forgetOlder()
    await build(found.go, folder)
    return programs
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return { missing: `Go cannot build it: ${why.trim().split('\n').at(-1)}` }
  }
}

function stateOfSources(): string {
  const hash = createHash('sha256')
  for (const name of readdirSync(source).sort())
    hash.update(`${name}\0`).update(readFileSync(join(source, name)))
  return hash.digest('hex').slice(0, 16)
}

function findGo(): { readonly go: string } | Missing {
  const seen: string[] = []
  for (const go of [process.env.SLIPWAY_GO, 'go', '/usr/local/go/bin/go', '/usr/lib/go-1.23/bin/go']) {
    const version = go && versionOf(go)
    if (!version) continue
    if (Number(/^go1\.(\d+)/.exec(version)?.[1] ?? 0) >= GO_MINOR_MIN) return { go }
    seen.push(`${go} is ${version}`)
  }
  const why = seen.length === 0 ? 'there is no Go' : seen.join(', ')
  return { missing: `${why}; Go 1.${GO_MINOR_MIN} is needed, SLIPWAY_GO may name it` }
}

/** Never another Go than the machine's own. */
const environment = () => ({ ...process.env, GOTOOLCHAIN: 'local', GOFLAGS: '-mod=readonly' })

function versionOf(go: string): string | undefined {
  try {
    const stdio = ['ignore', 'pipe', 'ignore'] as ('ignore' | 'pipe')[]
    return execFileSync(go, ['env', 'GOVERSION'], { encoding: 'utf8', stdio, env: environment() }).trim()
  } catch {
    return undefined
  }
}

async function build(go: string, folder: string): Promise<void> {
  mkdirSync(dirname(folder), { recursive: true })
  const fresh = mkdtempSync(`${folder}.`)
  const run = (...args: readonly string[]) =>
    promisify(execFile)(go, [...args], { cwd: source, timeout: BUILD_MS_MAX, env: environment() })
  try {
    await run('build', '-o', join(fresh, 'client'), '.')
    await run('test', '-c', '-o', join(fresh, 'provisioning'), '.')
    if (!existsSync(folder)) renameSync(fresh, folder)
  } finally {
    rmSync(fresh, { recursive: true, force: true })
  }
}

function forgetOlder(): void {
  if (!existsSync(cache)) return
  for (const name of readdirSync(cache))
    if (/^fleeting-[0-9a-f]{16}$/.test(name)) rmSync(join(cache, name), { recursive: true, force: true })
}
