/** Writes `generated/openapi.json`. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openApi } from '../openapi.ts'

const top = join(import.meta.dirname, '../../..')
const { version } = JSON.parse(readFileSync(join(top, 'package.json'), 'utf8'))
writeFileSync(
  join(top, 'src/api/generated/openapi.json'),
  `${JSON.stringify(openApi(version), undefined, 2)}\n`,
)
