export { LibvirtDriver } from './driver.ts'
export type { LibvirtSettings } from './settings.ts'
