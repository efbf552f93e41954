import { SlipwayError } from '../model/index.ts'

export const isRoot = (): boolean => process.getuid?.() === 0

/** Throws `not_root` naming `what`. */
export function requireRoot(what: string): void {
  if (!isRoot()) throw new SlipwayError('not_root', { what })
}
