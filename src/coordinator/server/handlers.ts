/** One handler for each endpoint of the API. One missing is a type error. */
import type { z } from 'zod'
import type { EndpointName, Schemas } from '../../api/index.ts'
import type { Caller } from '../callers.ts'
import type { Coordinator } from '../coordinator.ts'
import type { Visits } from './visits.ts'

export interface Call<Name extends EndpointName> {
  readonly caller: Caller
  readonly params: z.output<Schemas[Name]['params']>
  readonly query: z.output<Schemas[Name]['query']>
  readonly body: z.output<Schemas[Name]['body']>
  /** Aborted when the client is gone. */
  readonly signal: AbortSignal
}

type Answer<Name extends EndpointName> = z.input<Schemas[Name]['reply']>

export type Handlers = {
  readonly [Name in EndpointName]: (call: Call<Name>) => Answer<Name> | Promise<Answer<Name>>
}

export function makeHandlers(coordinator: Coordinator, visits: Visits): Handlers {
  return {
    health: () => coordinator.health(),
    leaseAsk: ({ caller, body }) => coordinator.ask(caller, body),
    leaseGet: ({ caller, params, query, signal }) =>
      coordinator.wait(caller, params.lease, {
        waitMs: query.waitMs ?? 0,
        signal,
        ...(query.state === undefined ? {} : { state: query.state }),
      }),
    leaseAccess: ({ caller, params }) => coordinator.access(caller, params.lease),
    leaseHeartbeat: ({ caller, params }) => coordinator.heartbeat(caller, params.lease),
    leaseRelease: ({ caller, params }) => coordinator.release(caller, params.lease),
    leaseExplain: ({ caller, params }) => coordinator.get(caller, params.lease),
    leaseList: ({ caller, query }) => ({ leases: coordinator.list(caller, { ended: query.all ?? false }) }),
    groupHold: async ({ caller, params, body, signal }) => {
      await coordinator.holdGroup(caller, { ...params, ...body, signal })
      return {}
    },
    flavorList: () => ({ flavors: coordinator.flavors() }),
    machineList: () => ({ machines: coordinator.machines() }),
    machineGet: ({ params }) => coordinator.machine(params.machine),
    machineAccess: ({ params }) => coordinator.machineAccess(params.machine),
    machineRemove: ({ params }) => coordinator.removeMachine(params.machine),
    machineLog: async ({ params, query }) => ({
      lines: [...(await coordinator.machineLog(params.machine, query.lines))],
    }),
    hostList: () => ({ hosts: coordinator.inventory.hosts() }),
    templateList: () => ({ templates: coordinator.inventory.templates() }),
    templateRebuild: ({ params }) => coordinator.inventory.changeTemplate(params.template, 'rebuild'),
    templateRemove: ({ params }) => coordinator.inventory.changeTemplate(params.template, 'remove'),
    audit: async () => ({ hosts: await coordinator.inventory.audit() }),
    tokenCreate: ({ body }) => coordinator.createToken(body),
    tokenList: () => ({ tokens: coordinator.tokens() }),
    tokenRevoke: ({ params }) => {
      const revoked = coordinator.revokeToken(params.runner)
      visits.revoke(params.runner)
      return revoked
    },
  }
}
