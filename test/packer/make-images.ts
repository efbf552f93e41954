/** Makes the images that a test runs jobs in, where they are not there yet; prints the folder of their store. */
import { makePackerImages } from './image.ts'

console.log(await makePackerImages())
