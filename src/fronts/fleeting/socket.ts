/**
 * The plugin's socket: a file in a folder that is its user's alone, for whoever can connect may ask for the keys of
 * machines. Nobody connected means that the runner is gone: it connects at once and never lets go.
 */
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SlipwayError } from '../../model/index.ts'

export interface SocketOptions {
  readonly parentFolder: string
  readonly onConnection: (connection: Socket) => void
  /** Called once when nobody has come, or nobody is left. */
  readonly onLonely: () => void
}

export interface PluginSocket {
  readonly path: string
  close(): void
}

const FIRST_CONNECTION_MS = 60_000
const LONELY_MS = 5_000
const PREFIX = 'slipway-fleeting.'
/** Of a path in `sockaddr_un`, without the byte that ends it (unix(7)). */
const PATH_BYTES_MAX = 107

/** Opens the socket; throws `host_setup` where that fails. */
export async function openSocket(options: SocketOptions): Promise<PluginSocket> {
  const folder = makeFolder(options.parentFolder)
  const path = join(folder, 'plugin')
  let connected = 0
  let timer = setTimeout(options.onLonely, FIRST_CONNECTION_MS)
  const server = createServer((connection) => {
    clearTimeout(timer)
    connected += 1
    connection.once('close', () => {
      connected -= 1
      if (connected === 0 && server.listening) timer = setTimeout(options.onLonely, LONELY_MS)
    })
    options.onConnection(connection)
  })
  const close = (): void => {
    clearTimeout(timer)
    server.close()
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    await once(server.listen(path), 'listening')
  } catch (cause) {
    close()
    throw setupFailed(path, cause)
  }
  return { path, close }
}

/** A folder named for our pid. One whose process was killed stays behind, until the next plugin comes by. */
function makeFolder(parent: string): string {
  const longest = `${parent}/${PREFIX}4194304.XXXXXX/plugin`
  const place = Buffer.byteLength(longest) > PATH_BYTES_MAX ? tmpdir() : parent
  try {
    sweep(place)
    return mkdtempSync(join(place, `${PREFIX}${process.pid}.`))
  } catch (cause) {
    throw setupFailed(place, cause)
  }
}

function sweep(parent: string): void {
  for (const name of readdirSync(parent)) {
    const pid = /^slipway-fleeting\.(\d+)\.\w{6}$/.exec(name)?.[1]
    if (pid === undefined || statSync(`/proc/${pid}`, { throwIfNoEntry: false }) !== undefined) continue
    const folder = join(parent, name)
    if (statSync(folder, { throwIfNoEntry: false })?.uid === process.getuid?.())
      rmSync(folder, { recursive: true, force: true })
  }
}

function setupFailed(path: string, cause: unknown): SlipwayError {
  const detail = cause instanceof Error ? cause.message : String(cause)
  return new SlipwayError('host_setup', { object: `the plugin's socket in ${path}`, detail }, { cause })
}
