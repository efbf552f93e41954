import { readFileSync, writeFileSync } from 'node:fs'
import { renderProtocol } from './render.ts'

/** Writes `../generated/protocol.ts` anew; the drift test beside this file holds the two together. */
const description = readFileSync(new URL('./libvirt.protocol', import.meta.url), 'utf8')
writeFileSync(new URL('../generated/protocol.ts', import.meta.url), renderProtocol(description))
