/** What happens at an agent that people want to know: each event's log line and counter stand together. */
import type { Failure, MachineId, TemplateId, TimelineStep } from '../model/index.ts'
import { failureText } from '../model/index.ts'
import type { DriverEvent, Resource } from './drivers/driver.ts'
import type { Held } from './held.ts'

export type Level = 'info' | 'warn' | 'error'
export type WriteLine = (level: Level, event: string, fields: Readonly<Record<string, unknown>>) => void

export class AgentEvents {
  /** Event → how often, since this process started. */
  readonly counts = new Map<string, number>()
  readonly #write: WriteLine

  constructor(write: WriteLine) {
    this.#write = write
  }

  started(machines: Iterable<Held>): void {
    const counts: Record<string, number> = {}
    for (const { state } of machines) counts[state] = (counts[state] ?? 0) + 1
    this.#say('info', 'agent_started', counts)
  }

  stopped(left: number): void {
    this.#say('info', 'agent_stopped', { machinesLeft: left })
  }

  connected(epoch: number): void {
    this.#say('info', 'coordinator_connected', { epoch })
  }

  disconnected(): void {
    this.#say('warn', 'coordinator_gone', {})
  }

  refused(failure: Failure): void {
    this.#say('error', 'refused', this.#failure(failure))
  }

  machineReady(machine: MachineId, timeline: readonly TimelineStep[]): void {
    const steps = Object.fromEntries(timeline.map(({ step, atMs }) => [step, Math.round(atMs)]))
    this.#say('info', 'machine_ready', { machine, steps })
  }

  machineFailed(machine: MachineId, failure: Failure): void {
    this.#say('error', 'machine_failed', { machine, ...this.#failure(failure) })
  }

  machineLost(machine: MachineId, failure: Failure): void {
    this.#say('error', 'machine_lost', { machine, ...this.#failure(failure) })
  }

  machineGone(machine: MachineId, tookMs: number): void {
    this.#say('info', 'machine_gone', { machine, tookMs: Math.round(tookMs) })
  }

  templateBuilt(template: TemplateId, shape: string, tookMs: number): void {
    this.#say('info', 'template_built', { template, shape, tookMs: Math.round(tookMs) })
  }

  templateBuilding(image: string, shape: string, percent: number): void {
    this.#say('info', 'template_building', { image, percent, shape })
  }

  /** `count` in a row. */
  templateFailed(shape: string, count: number, failure: Failure): void {
    this.#say('error', 'template_failed', { shape, count, ...this.#failure(failure) })
  }

  templateMadeWay(shape: string): void {
    this.#say('info', 'template_made_way', { shape })
  }

  templateBad(template: TemplateId, failure: Failure): void {
    this.#say('error', 'template_bad', { template, ...this.#failure(failure) })
  }

  templateRemoved(template: TemplateId): void {
    this.#say('info', 'template_removed', { template })
  }

  machineSuspect(machine: MachineId, failure: Failure): void {
    this.#say('warn', 'machine_suspect', { machine, ...this.#failure(failure) })
  }

  machineAnswers(machine: MachineId): void {
    this.#say('info', 'machine_answers', { machine })
  }

  driverEvent({ machine, kind, detail }: DriverEvent): void {
    this.#say('warn', 'driver_event', { machine, kind, detail })
  }

  strayRemoved({ kind, name, machine }: Resource): void {
    this.#say('warn', 'stray_removed', { kind, name, machine })
  }

  hullMade(hull: MachineId, template: TemplateId): void {
    this.#say('info', 'hull_made', { hull, template })
  }

  /** Something that is tried again by itself went wrong. */
  trouble(what: string, error: unknown, machine?: MachineId): void {
    const detail = error instanceof Error ? error.message : String(error)
    this.#say('warn', 'trouble', { what, detail, machine })
  }

  #failure = (failure: Failure) => ({ code: failure.code, detail: failureText(failure) })

  #say(level: Level, event: string, fields: Readonly<Record<string, unknown>>): void {
    this.counts.set(event, (this.counts.get(event) ?? 0) + 1)
    this.#write(level, event, fields)
  }
}
