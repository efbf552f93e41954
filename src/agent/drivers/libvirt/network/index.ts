export { resolveEndpoints } from './endpoint.ts'
export { interfaceNames, interfaceNamesIn, namespaceNames } from './interfaces.ts'
export { SlotLedger } from './ledger.ts'
export {
  closeLink,
  inNamespace,
  namespacePath,
  openLink,
  openNamespace,
  plugTap,
  removeNamespace,
  removeTap,
  removeUplink,
} from './namespace.ts'
export { closeRing, ensureRing, openRing, removeRing, ringElements, ringExists } from './ring.ts'
export { GUEST_MAC } from './rules.ts'
export { type Slot, slotMax, slotOf } from './slot.ts'
export { NamespaceStock } from './stock.ts'
