/** Configuration files: TOML checked by a schema, each mistake named with its line and its key. */
export { readSettings, type Setting } from './settings.ts'
export { parseToml, readToml } from './toml.ts'
