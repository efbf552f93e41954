/** What a process keeps on its host: folders that nobody else made, and locks that end with it. */
export { type Lock, takeLock } from './lock.ts'
export { ensureOwnFolder } from './own-folder.ts'
