/** On real files: what is tested is what a disk keeps. */
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { countedIds } from '../../../test/coordinator/world.ts'
import { type Lease, parseId } from '../../model/index.ts'
import { type LeaseRecord, pruneEnded, selectEnded, selectLive } from './leases.ts'
import { openStore, type Store } from './store.ts'

let dir: string
const ids = countedIds()
const open: Store[] = []

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'coordinator-test-'))
})
afterEach(() => {
  for (const store of open.splice(0)) store.close()
  rmSync(dir, { recursive: true })
})

function store(at = dir): Store {
  const opened = openStore({ dir: at, makeId: ids.database })
  open.push(opened)
  return opened
}

function reopened(): Store {
  open.pop()?.close()
  return store()
}

const claim = (n: number) => ({
  id: parseId('LeaseId', `l-${String(n).padStart(26, '0')}`),
  name: parseId('LeaseName', `job-${n}`),
  owner: { runner: 'runner-a', trustDomain: parseId('TrustDomain', 'd') },
  flavor: parseId('FlavorName', 'tiny'),
  ttlMs: 5_000,
  askedAtMs: 1_000 + n,
  aliveAtMs: 77,
  attempts: 0,
})
const machine = parseId('MachineId', `m-${'0'.repeat(26)}`)
const host = parseId('HostId', 'h1')
const waiting = (n: number): LeaseRecord => ({ lease: { ...claim(n), state: 'waiting' } })
const ended = (n: number, endedAtMs: number): LeaseRecord => ({
  lease: { ...claim(n), aliveAtMs: 0, state: 'ended', end: 'released', endedAtMs },
})
const put = (to: Store, ...records: readonly LeaseRecord[]): void =>
  to.commit(records.map((record) => ({ kind: 'lease', record })))

const text = fc.string({ unit: 'grapheme', maxLength: 40 })
const timeline = fc.array(fc.record({ step: text, atMs: fc.nat() }), { maxLength: 5 })
const failure = fc.record({
  code: fc.constantFrom('machine_lost' as const, 'create_failed' as const),
  args: fc.dictionary(
    text.filter((key) => key !== '__proto__'),
    fc.oneof(text, fc.nat()),
    { maxKeys: 3 },
  ),
})
const anyRecord: fc.Arbitrary<LeaseRecord> = fc
  .record({
    image: fc.option(text, { nil: undefined }),
    attempts: fc.nat({ max: 3 }),
    state: fc.constantFrom('waiting' as const, 'granted' as const, 'ended' as const),
    failure: fc.option(failure, { nil: undefined }),
    timeline: fc.option(timeline, { nil: undefined }),
    consoleTail: fc.option(fc.array(text, { maxLength: 5 }), { nil: undefined }),
  })
  .map(({ image, attempts, state, failure, timeline, consoleTail }) => {
    const base = { ...claim(1), attempts, ...(image === undefined ? {} : { image }) }
    const lease: Lease =
      state === 'waiting'
        ? { ...base, state }
        : state === 'granted'
          ? { ...base, state, machine, host, grantedAtMs: 9_000 }
          : {
              ...base,
              aliveAtMs: 0,
              state,
              end: 'lost',
              endedAtMs: 9_500,
              machine,
              ...(failure ? { failure } : {}),
            }
    return { lease, ...(timeline ? { timeline } : {}), ...(consoleTail ? { consoleTail } : {}) }
  })

describe('a lease', () => {
  test('is read as it was written, whatever is in it', () => {
    fc.assert(
      fc.property(anyRecord, (record) => {
        const memory = openStore({ dir: ':memory:', makeId: ids.database })
        put(memory, record)
        const read = [...memory.liveLeases(77), ...memory.endedLeases({ limit: 9 })]
        memory.close()
        expect(read).toEqual([record])
      }),
    )
  })

  test('outlives the process, in the order it was asked for', () => {
    put(store(), waiting(2), waiting(1))
    expect(reopened().liveLeases(77)).toEqual([waiting(2), waiting(1)])
  })

  test("has a name that is unique among its owner's live ones, and free once it has ended", () => {
    const first = store()
    put(first, waiting(1))
    const again: LeaseRecord = { lease: { ...claim(2), name: claim(1).name, state: 'waiting' } }
    expect(() => put(first, again)).toThrow('UNIQUE')
    put(first, ended(1, 5), again)
    expect(first.liveLeases(77)).toEqual([again])
  })

  test('is forgotten some days after it has ended, a live one never', () => {
    const first = store()
    const dayMs = 24 * 3_600_000
    put(first, waiting(1), ended(2, 1 * dayMs), ended(3, 9 * dayMs))
    first.prune(10 * dayMs)
    expect(first.endedLeases({ limit: 9 })).toEqual([ended(3, 9 * dayMs)])
    expect(first.liveLeases(77)).toEqual([waiting(1)])
  })

  test('is found among many ended ones, the newest first', () => {
    const first = store()
    put(first, ...Array.from({ length: 2_500 }, (_, n) => ended(n, n)))
    expect(first.endedLeases({ limit: 9_999 })).toHaveLength(2_500)
    expect(first.endedLeases({ runner: 'runner-a', name: 'job-2400', limit: 1 })).toEqual([
      ended(2_400, 2_400),
    ])
    expect(first.endedLeases({ runner: 'runner-b', limit: 9 })).toEqual([])
  })

  test('is forgotten a few at a time, beyond the newest that are kept', () => {
    const first = store()
    put(first, waiting(9_999), ...Array.from({ length: 1_200 }, (_, n) => ended(n, n)))
    const db = new DatabaseSync(join(dir, 'coordinator.db'))
    const prune = () => pruneEnded(db, { keep: 100, beforeMs: 0 })
    expect([prune(), prune(), prune(), prune()]).toEqual([true, true, false, false])
    db.close()
    expect(first.endedLeases({ limit: 9_999 })).toHaveLength(100)
    expect(first.liveLeases(77)).toEqual([waiting(9_999)])
  })

  test.each([
    { runner: 'runner-a', name: 'job-1' },
    { runner: 'runner-a', id: 'l-1' },
    { runner: 'runner-a' },
    { name: 'job-1' },
    { id: 'l-1' },
  ])('is looked up by an index: %o', (filter) => {
    store()
    const db = new DatabaseSync(join(dir, 'coordinator.db'))
    const plans: string[] = []
    const { prepare } = db
    db.prepare = (sql) => {
      plans.push(
        ...prepare
          .call(db, `EXPLAIN QUERY PLAN ${sql}`)
          .all()
          .map(({ detail }) => String(detail)),
      )
      return prepare.call(db, sql)
    }
    selectEnded(db, { ...filter, limit: 1 })
    selectLive(db, 0)
    expect(plans.length).toBeGreaterThan(1)
    for (const plan of plans) expect(plan).toMatch(/^(SEARCH|SCAN) lease USING (INDEX|COVERING)/)
    expect(plans[0]).toMatch(/^SEARCH/)
    db.close()
  })
})

describe('what is committed together', () => {
  test('is durable together or not at all', () => {
    const first = store()
    expect(() =>
      put(first, waiting(1), waiting(2), { lease: { ...claim(3), name: claim(1).name, state: 'waiting' } }),
    ).toThrow(expect.objectContaining({ code: 'database_failed' }))
    expect(reopened().liveLeases(77)).toEqual([])
  })
})

describe('a database', () => {
  test('keeps its name and counts its starts', () => {
    const first = store()
    const { database } = first
    expect([first.beginEpoch(), first.beginEpoch()]).toEqual([1, 2])
    const second = reopened()
    expect([second.database, second.beginEpoch()]).toEqual([database, 3])
  })

  test('belongs to one process at a time', () => {
    store()
    expect(() => store()).toThrow(
      expect.objectContaining({ code: 'coordinator_running', args: { pid: String(process.pid), dir } }),
    )
    reopened()
  })

  test('of a newer schema is refused, and left alone', () => {
    const newer = new DatabaseSync(join(dir, 'coordinator.db'))
    newer.exec('CREATE TABLE future (x); PRAGMA user_version = 9')
    newer.close()
    expect(() => store()).toThrow(expect.objectContaining({ code: 'database_newer' }))
    const still = new DatabaseSync(join(dir, 'coordinator.db'))
    expect(still.prepare('SELECT name FROM sqlite_schema').all()).toEqual([{ name: 'future' }])
    still.close()
  })

  test('that is none, or whose rows are not understood, is refused with a code', () => {
    put(store(), waiting(1))
    open.pop()?.close()
    const meddled = new DatabaseSync(join(dir, 'coordinator.db'))
    meddled.exec(`UPDATE lease SET id = 'not-an-id'`)
    meddled.close()
    expect(() => store().liveLeases(0)).toThrow(expect.objectContaining({ code: 'database_failed' }))
    const other = join(dir, 'other')
    mkdirSync(other)
    writeFileSync(join(other, 'coordinator.db'), 'no database at all'.repeat(500))
    expect(() => store(other)).toThrow(expect.objectContaining({ code: 'database_failed' }))
  })

  test('is written through to the disk, and readable by its owner alone', () => {
    store()
    expect(statSync(dir).mode & 0o077).toBe(0)
    expect(statSync(join(dir, 'coordinator.db')).mode & 0o777).toBe(0o600)
    const look = new DatabaseSync(join(dir, 'coordinator.db'))
    expect(look.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'wal' })
    look.close()
  })
})

test('machines that have served are remembered until they are gone', () => {
  const first = store()
  const spec = {
    flavor: claim(1).flavor,
    image: parseId('ImageDigest', `sha256:${'0'.repeat(64)}`),
    vcpus: 1,
    memoryMiB: 64,
    diskGiB: 1,
    network: { allow: [] },
    trustDomain: claim(1).owner.trustDomain,
    allowEmulation: false,
  }
  first.commit([{ kind: 'served', served: { machine, host, spec } }])
  const second = reopened()
  expect(second.served()).toEqual([{ machine, host, spec }])
  second.commit([{ kind: 'gone', machine }])
  expect(second.served()).toEqual([])
})

test('a token is kept as its hash', () => {
  const first = store()
  const token = {
    runner: 'runner-a',
    trustDomain: claim(1).owner.trustDomain,
    flavors: ['*'],
    images: [],
    leasesMax: 3,
    createdAtMs: 5,
  }
  first.addToken(token, new Uint8Array(32).fill(7))
  expect(reopened().tokens()).toEqual([{ token, hash: new Uint8Array(32).fill(7) }])
})
