/** A bug if it fires: the process ends, starts again and reconciles. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`bug: ${message}`)
}

/** Ends a `switch` over a union: a new member without a case is a type error here. */
export function assertNever(value: never): never {
  throw new Error(`bug: unexpected ${JSON.stringify(value)}`)
}
