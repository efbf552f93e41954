/**
 * Records as files, `<machine id>.json` in a folder of the agent's run directory, 0600: they hold the machines' private
 * keys. The folder lies on a tmpfs, so that a reboot forgets the records with the machines.
 */
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { access, consoleTail, failure, machineId, machineSpec, timeline } from '../api/server.ts'
import { ensureOwnFolder } from '../files/index.ts'
import { isId, type MachineId, Secret } from '../model/index.ts'
import { DRAFT_SUFFIX, readWhole, replaceFile, syncFolder } from './durable-file.ts'
import type { MachineRecord, Records } from './records.ts'

const common = { machine: machineId, spec: machineSpec, timeline }
const schema = z.discriminatedUnion('state', [
  z.strictObject({ ...common, state: z.literal('creating') }),
  z.strictObject({ ...common, state: z.literal('ready'), access }),
  z.strictObject({ ...common, state: z.literal('lost'), failure, consoleTail }),
])

const SUFFIX = '.json'
const RECORD_BYTES_MAX = 512 * 1024

/** Makes the folder, private to root, and clears what a killed write left. */
export async function fileRecords(dir: string): Promise<Records> {
  await ensureOwnFolder(dir)
  for (const name of await readdir(dir)) if (name.endsWith(DRAFT_SUFFIX)) await rm(join(dir, name))
  const fileOf = (machine: MachineId): string => join(dir, machine + SUFFIX)
  const machines = async (): Promise<readonly MachineId[]> =>
    (await readdir(dir)).flatMap((name) => {
      const id = name.endsWith(SUFFIX) ? name.slice(0, -SUFFIX.length) : ''
      return isId('MachineId', id) ? [id] : []
    })
  return {
    machines,
    async load() {
      const records = await Promise.all((await machines()).map((machine) => read(fileOf(machine), machine)))
      return records.filter((record) => record !== undefined)
    },
    put: (record) => replaceFile(fileOf(record.machine), write(record)),
    async remove(machine) {
      await rm(fileOf(machine), { force: true })
      await syncFolder(dir)
    },
  }
}

/** The one place where a machine's private key is written down. */
function write(record: MachineRecord): string {
  if (record.state !== 'ready') return JSON.stringify(record)
  const { access } = record
  return JSON.stringify({ ...record, access: { ...access, privateKey: access.privateKey.reveal() } })
}

async function read(path: string, machine: MachineId): Promise<MachineRecord | undefined> {
  const parsed = schema.safeParse(json((await readWhole(path, RECORD_BYTES_MAX)) ?? ''))
  if (!parsed.success || parsed.data.machine !== machine) return undefined
  const record = parsed.data
  if (record.state !== 'ready') return record
  return { ...record, access: { ...record.access, privateKey: new Secret(record.access.privateKey) } }
}

function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
