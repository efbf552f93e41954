/**
 * A plain model of what taskscaler (60728b8fa8f7) requires each second, with one job to an instance. Written from what
 * that code does, for tests to compare; `taskscaler-capacity.txt` holds the real one's answers.
 */

export interface ModelCapacity {
  /** Requested, creating and running. */
  readonly instances: number
  /** 0: no limit. */
  readonly maxInstances: number
  readonly acquired: number
  /** Jobs that want an instance and have none. */
  readonly pending: number
  readonly idleCount: number
  readonly scaleFactor: number
  readonly scaleFactorLimit: number
}

/** Instances to add, or to remove when below zero. */
export function requiredByTaskscaler(capacity: ModelCapacity): number {
  const { instances, maxInstances, acquired, pending, idleCount, scaleFactor, scaleFactorLimit } = capacity
  if (acquired > instances) return 0
  let desired = acquired + Math.max(idleCount, pending)
  if (scaleFactor > 0) {
    const scaled = Math.ceil(scaleFactor * acquired)
    desired = Math.max(desired, scaleFactorLimit > 0 ? Math.min(scaled, scaleFactorLimit) : scaled)
  }
  const required = desired - instances
  const room = Math.max(0, maxInstances - instances)
  return required > 0 && maxInstances > 0 ? Math.min(required, room) : required
}
