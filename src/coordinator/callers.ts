/** Who calls: the operator on the admin socket, or a runner by its token. Tokens are kept as hashes only. */
import { createHash, timingSafeEqual } from 'node:crypto'
import {
  type Flavor,
  type FlavorName,
  type Owner,
  parseId,
  SlipwayError,
  type TrustDomain,
} from '../model/index.ts'
import type { Ports } from './ports.ts'
import type { Token } from './store/tokens.ts'

export interface Caller extends Owner {
  /** Absent: the operator, who may do everything. */
  readonly token?: Token
}

/** Whoever reaches the admin socket without a token: the file's permissions are the authority. */
export const OPERATOR: Caller = { runner: 'operator', trustDomain: parseId('TrustDomain', 'operator') }
const OPERATOR_LEASES_MAX = 1_000
const TOKENS_MAX = 10_000

export class Callers {
  readonly #ports: Ports
  readonly #tokens = new Map<string, { readonly token: Token; readonly hash: Uint8Array }>()

  constructor(ports: Ports) {
    this.#ports = ports
    for (const each of ports.store.tokens()) this.#tokens.set(each.token.runner, each)
  }

  /** The runner that `text` was made for; throws `unauthorized`. */
  find(text: string): Caller {
    const hash = sha256(text)
    for (const { token, hash: kept } of this.#tokens.values()) {
      if (timingSafeEqual(hash, kept)) {
        return { runner: token.runner, trustDomain: token.trustDomain, token }
      }
    }
    throw new SlipwayError('unauthorized')
  }

  /** Makes a runner's token; its text is returned here and never again. */
  create(ask: Omit<Token, 'createdAtMs'>): { readonly token: string; readonly made: Token } {
    if (this.#tokens.has(ask.runner) || ask.runner === OPERATOR.runner) {
      throw new SlipwayError('conflict', {
        kind: 'token of runner',
        name: ask.runner,
        detail: 'a runner has one token; revoke it first',
      })
    }
    if (this.#tokens.size >= TOKENS_MAX) {
      throw new SlipwayError('too_busy', { what: 'the list of tokens', limit: TOKENS_MAX })
    }
    const token = this.#ports.ids.token()
    const made: Token = { ...ask, createdAtMs: this.#ports.clock.wall() }
    const hash = sha256(token)
    this.#ports.store.addToken(made, hash)
    this.#tokens.set(made.runner, { token: made, hash })
    return { token, made }
  }

  list(): readonly Token[] {
    return [...this.#tokens.values()].map(({ token }) => token)
  }

  /** Its leases go on until they end by themselves: without a token nobody keeps them alive. */
  revoke(runner: string): Token {
    const known = this.#tokens.get(runner)
    if (!known) throw new SlipwayError('not_found', { kind: 'token of runner', name: runner.slice(0, 80) })
    this.#ports.store.removeToken(runner)
    this.#tokens.delete(runner)
    return known.token
  }

  /** Whom idle machines of each flavor are kept for: runners that may use it; the operator while there is no runner. */
  domains(flavors: Iterable<Flavor>): Map<FlavorName, TrustDomain[]> {
    const tokens = this.list()
    const domainsOf = (flavor: Flavor): TrustDomain[] =>
      tokens.length === 0
        ? [OPERATOR.trustDomain]
        : [
            ...new Set(
              tokens.filter((each) => allows(each.flavors, flavor.name)).map((each) => each.trustDomain),
            ),
          ]
    return new Map([...flavors].map((flavor) => [flavor.name, domainsOf(flavor)]))
  }
}

/** Throws `not_allowed` unless the caller may have this flavor with this image. */
export function checkAllowed({ token }: Caller, flavor: Flavor, image: string | undefined): void {
  if (!token) return
  if (!allows(token.flavors, flavor.name)) {
    throw new SlipwayError('not_allowed', { what: `flavor ${flavor.name}` })
  }
  if (image !== undefined && image !== flavor.image && !allows(token.images, image)) {
    throw new SlipwayError('not_allowed', { what: `image ${image}` })
  }
}

/** How many live leases the caller may hold. */
export const leasesMax = ({ token }: Caller): number => token?.leasesMax ?? OPERATOR_LEASES_MAX

const allows = (names: readonly string[], name: string): boolean =>
  names.includes('*') || names.includes(name)
const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest()
