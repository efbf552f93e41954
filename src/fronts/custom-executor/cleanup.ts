import { release } from './lease.ts'
import type { Stage } from './stage.ts'

/** `cleanup_exec`: gives the lease back. Comes after every try of prepare and after every job, however it ended. */
export async function cleanupStage(stage: Stage): Promise<number> {
  await release(stage)
  return 0
}
