/**
 * bundle OUT_DIR: all processes as one file, main.cjs, but for the inspector of images, which sees no file but its own
 * program: inspector.cjs. What a command does not need stays unevaluated text in it: a
 * dynamic import of ours becomes a function that evaluates its modules when it is called.
 *
 * CommonJS, since an ES import of a Node built-in reads all of its exports, and some of those load half of Node
 * (`node:http` brings a WebSocket client). Start-up is everybody's time.
 */
import { readFileSync } from 'node:fs'
import { build } from 'esbuild'

/** Libraries stay packages, but for the one that every call needs. */
const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8'))
const external = Object.keys(dependencies).filter((name) => name !== 'commander')

/** Commander could start programs and does not for us; the module for it is heavy. */
const lazyChildProcess = {
  name: 'child_process on demand',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:child_process$/ }, ({ path, importer }) =>
      importer.includes('node_modules/commander')
        ? { path, namespace: 'on-demand' }
        : { path, external: true },
    )
    onLoad({ filter: /.*/, namespace: 'on-demand' }, ({ path }) => ({
      contents: `module.exports = { get spawn() { return process.getBuiltinModule('${path}').spawn } }`,
    }))
  },
}

await build({
  entryPoints: { main: 'src/cli/main.ts', inspector: 'src/agent/images/inspector/main.ts' },
  outdir: process.argv[2],
  outExtension: { '.js': '.cjs' },
  bundle: true,
  format: 'cjs',
  platform: 'node',
  target: 'node24',
  external,
  plugins: [lazyChildProcess],
  banner: { js: "const importMetaUrl = require('node:url').pathToFileURL(__filename).href;" },
  define: { 'import.meta.url': 'importMetaUrl', 'import.meta.dirname': '__dirname' },
  minifyWhitespace: true,
  minifySyntax: true,
  keepNames: true,
  legalComments: 'none',
  logLevel: 'warning',
})
