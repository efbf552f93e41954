/** Builds the programs while there is a network: the integration tests, each in a namespace of its own, have none. */
import { fleetingPrograms } from './programs.ts'

const found = await fleetingPrograms()
console.log(
  'missing' in found ? `no fleeting client for the tests: ${found.missing}` : 'fleeting client: ready',
)
