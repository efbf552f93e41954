import { endedAfter } from '../deadline.ts'
import type { Template, TemplateRequest } from '../drivers/driver.ts'
import type { AgentPorts } from '../ports.ts'
import type { ReadyPorts } from '../ready.ts'
import { warmUp } from './warm-up.ts'

/** From nothing to published: a boot, a warming and a look at every byte. */
const BUILD_MS = 15 * 60_000

export type Cast = Pick<TemplateRequest, 'shape' | 'image' | 'disk' | 'tools' | 'step' | 'signal'> & {
  readonly bootMs: number
}

/**
 * Builds a template. Settles once nothing of what was booted for it is left, however long that takes: its room counts
 * as taken till then. Throws what the driver and the warming throw.
 */
export function cast(
  ports: AgentPorts & Pick<ReadyPorts, 'unseen'>,
  { bootMs, signal: until, ...request }: Cast,
): Promise<Template> {
  const { image, step, tools } = request
  const deadline = { clock: ports.clock, step: 'building a template', deadlineMs: BUILD_MS, signal: until }
  return endedAfter(deadline, (signal) =>
    ports.driver.buildTemplate({
      ...request,
      signal,
      forbidden: [],
      warm: (clone) => warmUp(ports, { clone, image, tools: tools !== undefined, bootMs, step, signal }),
    }),
  )
}
