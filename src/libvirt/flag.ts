/** `list`: any of a group selects within it; no bit of a group set means all of that group. */
export const ListFlag = {
  active: 1,
  inactive: 2,
  persistent: 4,
  transient: 8,
  running: 16,
  paused: 32,
  shutoff: 64,
  other: 128,
} as const

/** `createXml`, `create`. */
export const CreateFlag = {
  paused: 1,
  /** Destroyed by libvirtd when this connection ends, for whatever reason. */
  autodestroy: 2,
  bypassCache: 4,
  forceBoot: 8,
  validate: 16,
  resetNvram: 32,
} as const

/** `defineXml`. */
export const DefineFlag = { validate: 1 } as const

/** `destroy`. Without `graceful`, QEMU is killed if it does not obey. */
export const DestroyFlag = { graceful: 1, removeLogs: 2 } as const

/** `save`, `restore`. What a restored machine does is what it did when it was saved, unless one says otherwise. */
export const SaveFlag = { bypassCache: 1, running: 2, paused: 4, resetNvram: 8 } as const

/** `undefine`: what to delete along with the definition. */
export const UndefineFlag = {
  managedSave: 1,
  snapshotsMetadata: 2,
  nvram: 4,
  keepNvram: 8,
  checkpointsMetadata: 16,
  tpm: 32,
  keepTpm: 64,
} as const

/** `getXml`. */
export const XmlFlag = { secure: 1, inactive: 2, updateCpu: 4, migratable: 8 } as const

/** What a change of devices or metadata applies to; 0 means the state the machine is in. */
export const AffectFlag = { live: 1, config: 2, force: 4 } as const

/** `openConsole`. */
export const ConsoleFlag = {
  /** Takes the console away from whoever has it. */
  force: 1,
  /** Refuses if libvirt cannot guarantee to be alone on it. */
  safe: 2,
} as const

/** `statistics`: the groups of parameters wanted. */
export const StatisticsFlag = {
  state: 1,
  cpuTotal: 2,
  balloon: 4,
  vcpu: 8,
  interface: 16,
  block: 32,
} as const
