/** What the two servers load besides: the schemas. Kept apart from `index.ts` for the command line's start-up. */
export { openApi } from './openapi.ts'
export { problem, schemas } from './schemas.ts'
export * from './shapes.ts'
export {
  FRAME_BYTES_MAX,
  finding,
  fromAgent,
  fromCoordinator,
  machineReport,
  REPORT_EVERY_MS,
} from './stream.ts'
