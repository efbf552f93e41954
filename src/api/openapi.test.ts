import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { endpoints } from './endpoints.ts'
import { openApi } from './openapi.ts'

const top = join(import.meta.dirname, '../..')
const { version } = JSON.parse(readFileSync(join(top, 'package.json'), 'utf8'))
const checkedIn = readFileSync(join(top, 'src/api/generated/openapi.json'), 'utf8')

it('is checked in as it is now: `sh bin/node src/api/openapi/main.ts` writes it', () => {
  expect(JSON.parse(checkedIn)).toEqual(JSON.parse(JSON.stringify(openApi(version))))
})

describe('the description', () => {
  const { paths } = JSON.parse(checkedIn)

  it('has every endpoint, by its name', () => {
    const named = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods as Record<string, { operationId: string }>).map(([method, { operationId }]) => [
        operationId,
        method.toUpperCase(),
        path.replace(/\{(\w+)\}/g, ':$1'),
      ]),
    )
    expect(named.toSorted()).toEqual(
      Object.entries(endpoints)
        .map(([name, { method, path }]) => [name, method, path])
        .toSorted(),
    )
  })

  it('leaves no shape open: what it says nothing of, nobody can check', () => {
    const open: string[] = []
    const walk = (value: unknown, at: string): void => {
      if (typeof value !== 'object' || value === null) return
      for (const [key, inner] of Object.entries(value)) {
        const isShape = /(properties\.[^.]+|items|schema)$/.test(`${at}.${key}`)
        if (isShape && !at.endsWith('properties.properties') && Object.keys(inner ?? {}).length === 0) {
          open.push(`${at}.${key}`)
        }
        walk(inner, `${at}.${key}`)
      }
    }
    walk(paths, '')
    expect(open).toEqual([])
  })
})
