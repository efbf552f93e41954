/** Queries on runners' tokens. The token itself is shown once, when it is made; only its hash is here. */
import type { DatabaseSync } from 'node:sqlite'
import { z } from 'zod'
import { trustDomain } from '../../api/server.ts'
import type { TrustDomain } from '../../model/index.ts'
import { statement } from './statement.ts'

/** What a runner may do. Written by the operator. */
export interface Token {
  readonly runner: string
  readonly trustDomain: TrustDomain
  /** Names, or `*`. */
  readonly flavors: readonly string[]
  readonly images: readonly string[]
  readonly leasesMax: number
  readonly createdAtMs: number
}

const names = z
  .string()
  .transform((text) => JSON.parse(text) as unknown)
  .pipe(z.array(z.string()))

const row = z.strictObject({
  runner: z.string(),
  hash: z.instanceof(Uint8Array),
  trust_domain: trustDomain,
  flavors: names,
  images: names,
  leases_max: z.int(),
  created_at_ms: z.int(),
})

/** Every token with its hash, by runner. */
export function selectTokens(db: DatabaseSync): { readonly token: Token; readonly hash: Uint8Array }[] {
  return statement(db, 'SELECT * FROM token ORDER BY runner')
    .all()
    .map((raw) => {
      const value = row.parse(raw)
      return {
        hash: value.hash,
        token: {
          runner: value.runner,
          trustDomain: value.trust_domain,
          flavors: value.flavors,
          images: value.images,
          leasesMax: value.leases_max,
          createdAtMs: value.created_at_ms,
        },
      }
    })
}

export function insertToken(db: DatabaseSync, token: Token, hash: Uint8Array): void {
  statement(
    db,
    `INSERT INTO token (runner, hash, trust_domain, flavors, images, leases_max, created_at_ms)
     VALUES (?, ?, ?, ?, ?, ?, ?)`,
  ).run(
    token.runner,
    hash,
    token.trustDomain,
    JSON.stringify(token.flavors),
    JSON.stringify(token.images),
    token.leasesMax,
    Math.round(token.createdAtMs),
  )
}

export function deleteToken(db: DatabaseSync, runner: string): void {
  statement(db, 'DELETE FROM token WHERE runner = ?').run(runner)
}
