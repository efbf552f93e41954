/** Makes the image that docker-autoscaler is tested with, where it is not there yet; prints where its disk lies. */
import { makeDockerImage } from './docker-image.ts'

console.log(await makeDockerImage())
