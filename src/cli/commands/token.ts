import { parseId, roughly } from '../../model/index.ts'
import type { Call, Main } from '../command.ts'
import { EXIT } from '../exit.ts'
import { writeJson } from '../json.ts'
import { reach } from '../reach.ts'
import { table } from '../text.ts'

const LEASES_MAX_DEFAULT = 100

/** Makes a runner's token: the one time it is shown, on stdout alone, so that it can go straight into a file. */
const create: Main = async (call) => {
  const { options, io } = call
  const client = await reach(call)
  const made = await client.call('tokenCreate', {
    body: {
      runner: call.args[0] ?? '',
      trustDomain: parseId('TrustDomain', options.text('trustDomain') ?? 'default'),
      flavors: any(options.list('flavor')),
      images: [...options.list('image')],
      leasesMax: options.count('leasesMax') ?? LEASES_MAX_DEFAULT,
    },
    signal: io.signal,
  })
  if (call.json) writeJson(io, made)
  else io.print(`${made.token}\n`)
  return EXIT.ok
}

const any = (names: readonly string[]): string[] => (names.length === 0 ? ['*'] : [...names])

const list: Main = async (call) => {
  const { tokens } = await (await reach(call)).call('tokenList', { signal: call.io.signal })
  if (call.json) writeJson(call.io, { tokens })
  else {
    const now = Date.now()
    const rows = tokens.map((t) => [
      t.runner,
      t.trustDomain,
      t.flavors.join(','),
      t.images.join(','),
      String(t.leasesMax),
      roughly(now - t.createdAtMs),
    ])
    call.io.print(table(['runner', 'trust domain', 'flavors', 'images', 'leases', 'age'], rows))
  }
  return EXIT.ok
}

/** Ends a token; leases made with it live on until they end. */
const revoke: Main = async (call: Call) => {
  const client = await reach(call)
  for (const runner of call.args) {
    await client.call('tokenRevoke', { params: { runner }, signal: call.io.signal })
    call.io.print(`${runner}\n`)
  }
  return EXIT.ok
}

export const tokenCreate = { main: create }
export const tokenList = { main: list }
export const tokenRevoke = { main: revoke }
