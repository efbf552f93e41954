/** Templates of all hosts: what machines are cloned from. */
import type { Client, TemplateView } from '../../api/index.ts'
import { type HostTemplate, roughly, type TemplateId } from '../../model/index.ts'
import type { Call, Main } from '../command.ts'
import { EXIT } from '../exit.ts'
import { writeJson } from '../json.ts'
import { pick } from '../pick.ts'
import { reach } from '../reach.ts'
import { blocked, progress } from '../template-words.ts'
import { shortDigest, table } from '../text.ts'

const list: Main = async (call) => {
  const { io } = call
  const { templates } = await (await reach(call)).call('templateList', { signal: io.signal })
  if (call.json) writeJson(io, { templates })
  else
    io.print(
      table(['template', 'state', 'image', 'flavors', 'host', 'age', 'clones', 'disk'], templates.map(row)),
    )
  return EXIT.ok
}

function row({ host, flavors, image, template }: TemplateView): readonly (string | undefined)[] {
  const of = [image ?? shortDigest(template.shape.image), flavors.join(','), host]
  if (template.state === 'building') return ['-', progress(template.progressPercent), ...of]
  if (template.state === 'waiting') return ['-', blocked(template.reason), ...of]
  const { id, state, builtAtMs, clones, diskMiB } = template
  return [id, state, ...of, roughly(Date.now() - builtAtMs), String(clones), `${Math.round(diskMiB)} MiB`]
}

/** Both take templates by the start of their id, or all of a flavor's. */
const change =
  (endpoint: 'templateRebuild' | 'templateRemove'): Main =>
  async (call) => {
    const { signal } = call.io
    const client = await reach(call)
    for (const template of await named(client, call)) {
      await client.call(endpoint, { params: { template }, signal })
      call.io.print(`${template}\n`)
    }
    return EXIT.ok
  }

async function named(client: Client, { args, io }: Call): Promise<readonly TemplateId[]> {
  const { templates } = await client.call('templateList', { signal: io.signal })
  const made = templates.flatMap(({ flavors, template }) =>
    isMade(template) ? [{ id: template.id, flavors: flavors.map(String) }] : [],
  )
  const ids = made.map(({ id }) => id)
  const found = args.flatMap((written) => {
    const ofFlavor = made.filter(({ flavors }) => flavors.includes(written)).map(({ id }) => id)
    if (ofFlavor.length > 0) return ofFlavor
    return [pick('template', written.startsWith('t-') ? written : `t-${written}`, ids)]
  })
  return [...new Set(found)]
}

const isMade = (template: HostTemplate): template is Extract<HostTemplate, { id: TemplateId }> =>
  'id' in template

export const templateList = { main: list }
export const templateRebuild = { main: change('templateRebuild') }
export const templateRemove = { main: change('templateRemove') }
