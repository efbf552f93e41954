import type { FromCoordinator } from '../api/index.ts'
import { compareStamps, type Stamp } from '../model/index.ts'
import type { Conversation } from './conversation.ts'
import type { Message } from './message.ts'

/** Without the wanted sets that a later one of their connection replaces: each would cost a write to the disk. */
export function freshest(batch: readonly Message[]): readonly Message[] {
  const newest = new Map<Conversation, Stamp>()
  for (const message of batch) {
    if (!isWanted(message)) continue
    const { conversation, frame } = message
    const known = newest.get(conversation)
    if (!known || compareStamps(frame.stamp, known) > 0) newest.set(conversation, frame.stamp)
  }
  return batch.filter((one) => !isWanted(one) || newest.get(one.conversation) === one.frame.stamp)
}

type Frame<Type extends FromCoordinator['type']> = Extract<Message, { kind: 'frame' }> & {
  readonly frame: Extract<FromCoordinator, { type: Type }>
}
const isWanted = (message: Message): message is Frame<'wanted'> =>
  message.kind === 'frame' && message.frame.type === 'wanted'
