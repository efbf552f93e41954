/**
 * bundle OUT_DIR: the processes as ES modules, one entry, shared code split out.
 *
 * An `import` of a Node built-in reads all of its exports, and some of those load half of Node (`node:http` brings a
 * WebSocket client). In the bundle each export is therefore fetched when it is first used: start-up is everybody's.
 */
import { readFileSync } from 'node:fs'
import { build } from 'esbuild'

/** Libraries stay packages, but for the one that every call needs. */
const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8'))
const external = Object.keys(dependencies).filter((name) => name !== 'commander')

const lazyBuiltins = {
  name: 'lazy built-ins',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:/ }, ({ path }) => ({ path, namespace: 'builtin' }))
    onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => ({ contents: lazily(path), loader: 'js' }))
  },
}

function lazily(name) {
  const fetched = `process.getBuiltinModule(${JSON.stringify(name)})`
  const exports = process.getBuiltinModule(name)
  if (typeof exports !== 'object') return `module.exports = ${fetched}`
  const getters = Object.keys(exports).map((key) => `get ${key}() { return ${fetched}.${key} }`)
  return `module.exports = { ${getters.join(', ')} }`
}

await build({
  entryPoints: ['src/cli/main.ts'],
  outdir: process.argv[2],
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  chunkNames: 'chunks/[name]-[hash]',
  external,
  plugins: [lazyBuiltins],
  minifyWhitespace: true,
  minifySyntax: true,
  keepNames: true,
  legalComments: 'none',
  logLevel: 'warning',
})
