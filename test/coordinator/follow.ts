/** The view after a plan's steps were carried out, and hosts have done nothing yet. */
import { type HeldMachine, roomFor, type Step, type View } from '../../src/coordinator/index.ts'
import { parseId, type Reservation, shapeKey } from '../../src/model/index.ts'
import { NOW } from './any-view.ts'

export function follow(view: View, steps: readonly Step[]): View {
  let leases = [...view.leases]
  const machines = new Map(view.machines.map((machine) => [machine.machine, machine]))
  const reservations = new Map(view.reservations.map((each) => [each.id, each]))
  let builds = [...view.builds]
  const wishes = new Map(view.wishes)
  const doom = (machine: HeldMachine | undefined): void => {
    if (machine) machines.set(machine.machine, { ...machine, state: 'doomed', stateAtMs: NOW })
  }
  const name = (room: Reservation, spec: HeldMachine['spec'], n: number): void => {
    const machine = parseId('MachineId', `m-${String(9_000 + n).padStart(26, '0')}`)
    reservations.set(room.id, { ...room, machine })
    machines.set(machine, {
      machine,
      reservation: room.id,
      host: room.host,
      spec,
      state: 'named',
      made: false,
      createdAtMs: NOW,
      namedAtMs: NOW,
      stateAtMs: NOW,
      since: 1,
      timeline: [],
    })
  }
  steps.forEach((step, n) => {
    if (step.do === 'end') {
      const lease = leases.find(({ id }) => id === step.lease)
      if (lease?.state === 'granted') doom(machines.get(lease.machine))
      leases = leases.filter((each) => each !== lease)
    }
    if (step.do === 'grant') {
      const machine = machines.get(step.machine)
      if (machine) machines.set(step.machine, { ...machine, state: 'leased', lease: step.lease })
      leases = leases.map((lease) =>
        lease.id === step.lease && machine
          ? { ...lease, state: 'granted', machine: step.machine, host: machine.host, grantedAtMs: NOW }
          : lease,
      )
    }
    if (step.do === 'doom') doom(machines.get(step.machine))
    if (step.do === 'drop') reservations.delete(step.reservation)
    if (step.do === 'name') {
      const room = reservations.get(step.reservation)
      if (room) name(room, step.spec, n)
    }
    if (step.do === 'wish') {
      const known = wishes.get(step.host) ?? []
      const sinceMs = (key: string): number =>
        known.find(({ shape }) => shapeKey(shape) === key)?.sinceMs ?? NOW
      const all = step.shapes.map((shape) => ({ shape, sinceMs: sinceMs(shapeKey(shape)) }))
      wishes.set(step.host, all)
    }
    if (step.do === 'build') {
      const { host, shape } = step
      const reservation = parseId('ReservationId', `r-${String(9_000 + n).padStart(26, '0')}`)
      reservations.set(reservation, { id: reservation, host, room: roomFor(shape), template: shape })
      builds.push({ reservation, host, shape, state: 'wanted', since: 1, heard: false })
    }
    if (step.do === 'unbuild') {
      builds = builds.map((build) =>
        build.reservation === step.reservation ? { ...build, state: 'over', heard: false } : build,
      )
    }
    if (step.do === 'reserve') {
      const id = parseId('ReservationId', `r-${String(9_000 + n).padStart(26, '0')}`)
      name({ id, host: step.host, room: roomFor(step.spec) }, step.spec, n)
    }
  })
  return {
    ...view,
    leases,
    builds,
    wishes,
    machines: [...machines.values()],
    reservations: [...reservations.values()],
  }
}
