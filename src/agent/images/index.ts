/** The host's golden images: kept by digest, built from recipes, let in only if they are flat. */
export { buildImage } from './build.ts'
export { ImageStore } from './image-store.ts'
export { importImage } from './importing.ts'
export { type ImageWords, imageWords, type Recipe, readRecipe, recipeNames } from './recipe.ts'
export type { BuildWatcher } from './recipe-run.ts'
