/** Completion for shells: the script that a shell loads, and what it asks on every tab. */
import type { Reply } from '../../api/index.ts'
import { SlipwayError } from '../../model/index.ts'
import type { Call, Main } from '../command.ts'
import { type Candidate, complete, type Line, type LookUp } from '../completion/complete.ts'
import { scripts } from '../completion/scripts.ts'
import { EXIT } from '../exit.ts'
import { reach } from '../reach.ts'

/** A person waits at a prompt: what is not known by then is left out. */
const LOOK_UP_MS_MAX = 1_000
const CANDIDATES_MAX = 200

type Table = Pick<Line, 'declarations' | 'groups'>

const print: Main = async ({ io, args }) => {
  const script = scripts.get(args[0] ?? '')
  if (script === undefined) {
    const known = [...scripts.keys()].join(', ')
    throw new SlipwayError('bad_request', {
      detail: `there is no completion for "${args[0]}", only for ${known}`,
    })
  }
  io.print(script)
  return EXIT.ok
}

const answer = async (table: Table, call: Call): Promise<number> => {
  const completion = await complete({
    words: call.rest,
    ...table,
    lookUp: (kind) => lookUp(call)(kind).catch(() => []),
  })
  if (completion.files) call.io.print(':files\n')
  else
    for (const { word, says } of completion.candidates.slice(0, CANDIDATES_MAX))
      call.io.print(`${word}\t${says}\n`)
  return EXIT.ok
}

const lookUp =
  (call: Call): LookUp =>
  async (kind) => {
    if (kind === 'shell') return [...scripts.keys()].map((word) => ({ word, says: '' }))
    const signal = AbortSignal.timeout(LOOK_UP_MS_MAX)
    const client = await reach(call)
    switch (kind) {
      case 'machine': {
        const { machines } = await client.call('machineList', { signal })
        return machines.map(({ machine, state, lease }) => ({
          word: machine,
          says: `${state} ${lease ?? ''}`.trim(),
        }))
      }
      case 'lease': {
        const { leases } = await client.call('leaseList', { signal })
        return leases.map(({ name, state, flavor }) => ({ word: name, says: `${state} ${flavor}` }))
      }
      case 'flavor': {
        const { flavors } = await client.call('flavorList', { signal })
        return flavors.map(({ name, image }) => ({ word: name, says: image }))
      }
      case 'runner': {
        const { tokens } = await client.call('tokenList', { signal })
        return tokens.map(({ runner, trustDomain }) => ({ word: runner, says: trustDomain }))
      }
      case 'image':
        return imagesOf(await client.call('hostList', { signal }))
      default:
        return []
    }
  }

const imagesOf = ({ hosts }: Reply<'hostList'>): readonly Candidate[] => {
  const images = hosts.flatMap(({ facts }) => facts?.images ?? [])
  return [...new Map(images.map(({ name, version }) => [name, version]))].map(([word, says]) => ({
    word,
    says,
  }))
}

export const completionScript = { main: print }
/** Completes from `table`, which names this file among others: it is handed in, so that there is no circle. */
export const completionAnswer = (table: Table): { readonly main: Main } => ({
  main: (call) => answer(table, call),
})
