import { expect, test } from 'vitest'
import { type FlavorName, parseId } from '../../model/index.ts'
import { choose } from './choice.ts'

const flavor = (name: string): FlavorName => parseId('FlavorName', name)
const offer = {
  defaultFlavor: flavor('small'),
  flavors: [flavor('small'), flavor('large')],
  images: new Map([
    ['debian:12', { flavor: flavor('debian') }],
    ['debian:13', { flavor: flavor('debian'), image: 'debian-13' }],
  ]),
}

test('a job that wishes nothing gets the default flavor', () => {
  expect(choose({}, offer)).toEqual({ flavor: 'small' })
})

test('an image decides the flavor, and may be another than the flavor has', () => {
  expect(choose({ image: 'debian:12' }, offer)).toEqual({ flavor: 'debian' })
  expect(choose({ image: 'debian:13' }, offer)).toEqual({ flavor: 'debian', image: 'debian-13' })
})

test('a wished flavor goes before the one of the image', () => {
  expect(choose({ image: 'debian:13', flavor: 'large' }, offer)).toEqual({
    flavor: 'large',
    image: 'debian-13',
  })
})

test('what is not offered is refused, with what is', () => {
  expect(() => choose({ image: 'ubuntu:24' }, offer)).toThrow(/"ubuntu:24" is not offered/)
  expect(() => choose({ flavor: 'debian' }, offer)).toThrow(/"debian" is not offered/)
  expect(() => choose({ image: '__proto__' }, offer)).toThrow(/not offered/)
  expect(() => choose({ flavor: '../small' }, offer)).toThrow(/not offered/)
})

test('without a default, a job has to say what it wants', () => {
  expect(() => choose({}, { ...offer, defaultFlavor: undefined })).toThrow(/not offered/)
})
