/**
 * Preloaded into a Slipway under test: it is as it is, but its agent can be made to stand still at a named point, as if
 * by SIGSTOP at that very moment. A kill then hits it there, whatever the load of the machine.
 *
 *   CONFIG/halt names the point, or `*` for each ─► the agent comes there ─► it writes CONFIG/halted, and stops itself
 *
 * Points are the steps of a machine's timeline, by the names they have there; `recorded`, when a machine is ready and
 * nobody was told; and those of a removal: `destroy` with all still there, `disk goes` and `slot goes` just before that,
 * `destroyed` when only the record is left. `hull is there` is in the making of one, before it is in stock.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import fs from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'

const config = process.argv[process.argv.indexOf('--config') + 1] ?? ''

function reached(point: string): void {
  let asked = ''
  try {
    asked = readFileSync(join(config, 'halt'), 'utf8')
  } catch {
    return
  }
  if (asked !== '*' && asked !== point) return
  writeFileSync(join(config, 'halted'), point)
  process.kill(process.pid, 'SIGSTOP')
}

async function prepareAgent(): Promise<void> {
  const { rm } = fs
  fs.rm = (path, options) => {
    const place = /\/(machines\/slw\.|slots\/\d)/.exec(String(path))?.[1]
    if (place !== undefined) reached(place.startsWith('slots') ? 'slot goes' : 'disk goes')
    return rm(path, options)
  }
  syncBuiltinESMExports()

  const { push } = Array.prototype
  // biome-ignore lint/suspicious/noExplicitAny: every array of the process comes by
  Array.prototype.push = function (...items: any[]) {
    const length = push.apply(this, items)
    const step = items[0]?.atMs === undefined ? undefined : items[0].step
    if (typeof step === 'string') reached(step)
    return length
  }

  const { AgentEvents } = await import('../../src/agent/events.ts')
  const { machineReady } = AgentEvents.prototype
  AgentEvents.prototype.machineReady = function (...told) {
    machineReady.apply(this, told)
    reached('recorded')
  }

  const { Maker } = await import('../../src/agent/drivers/libvirt/maker.ts')
  const { hull } = Maker.prototype
  Maker.prototype.hull = async function (...asked) {
    const made = await hull.apply(this, asked)
    reached('hull is there')
    return made
  }

  const { LibvirtDriver } = await import('../../src/agent/drivers/libvirt/index.ts')
  const { destroy } = LibvirtDriver.prototype
  LibvirtDriver.prototype.destroy = async function (machine) {
    reached('destroy')
    await destroy.call(this, machine)
    reached('destroyed')
  }
}

if (process.argv.includes('agent')) await prepareAgent()
