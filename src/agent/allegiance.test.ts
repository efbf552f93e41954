import { expect, it } from 'vitest'
import { parseId } from '../model/index.ts'
import { admit, greet, NO_ALLEGIANCE } from './allegiance.ts'

const ours = parseId('DatabaseId', `d-${'0'.repeat(26)}`)
const theirs = parseId('DatabaseId', `d-${'1'.repeat(26)}`)
const sworn = { database: ours, stamp: { epoch: 3, generation: 7 } }

it('obeys the first database that greets it, and from then on no other', () => {
  expect(greet(NO_ALLEGIANCE, 'local', ours, 1)).toEqual({
    obey: { database: ours, stamp: NO_ALLEGIANCE.stamp },
  })
  expect(greet(sworn, 'local', theirs, 9)).toMatchObject({
    refuse: { code: 'other_database', args: { host: 'local', theirs: ours, ours: theirs } },
  })
})

it('refuses a coordinator that was replaced, and accepts the one it knows', () => {
  expect(greet(sworn, 'local', ours, 2)).toMatchObject({ refuse: { code: 'stale_stamp' } })
  expect(greet(sworn, 'local', ours, 3)).toEqual({ obey: sworn })
})

it('takes an equal or higher stamp, and refuses a lower one of either part', () => {
  for (const stamp of [
    { epoch: 3, generation: 7 },
    { epoch: 3, generation: 8 },
    { epoch: 4, generation: 0 },
  ]) {
    expect(admit(sworn, stamp)).toEqual({ obey: { database: ours, stamp } })
  }
  expect(admit(sworn, { epoch: 3, generation: 6 })).toMatchObject({ refuse: { code: 'stale_stamp' } })
  expect(admit(sworn, { epoch: 2, generation: 99 })).toMatchObject({ refuse: { code: 'stale_stamp' } })
})
