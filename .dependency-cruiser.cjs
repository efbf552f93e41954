/** The arrows of the design: who may import whom. Each forbidden edge says why. */
const folders = ['model', 'libvirt', 'api', 'guest', 'coordinator', 'agent', 'fronts', 'cli']

const allowed = {
  model: [],
  libvirt: [],
  api: ['model'],
  guest: ['model'],
  coordinator: ['model', 'api'],
  agent: ['model', 'api', 'guest', 'libvirt'],
  fronts: ['model', 'api', 'guest'],
  cli: folders,
}

const why = {
  model: 'the words stand alone, so that everything may speak them',
  libvirt: 'a publishable client knows nothing of its user',
  api: 'the contract depends on the words only',
  guest: 'reaching into a guest depends on the words only',
  coordinator: 'the coordinator decides and never touches a host or a guest; it meets agents in api',
  agent: 'the agent does and never decides; it meets the coordinator in api',
  fronts: 'a front is one more client of the API',
  cli: 'the command line is the outermost layer',
}

module.exports = {
  forbidden: [
    ...folders
      .filter((from) => from !== 'cli')
      .map((from) => ({
        name: `${from}-arrows`,
        comment: why[from],
        severity: 'error',
        from: { path: `^src/${from}/` },
        to: { path: '^src/', pathNot: [`^src/${from}/`, ...allowed[from].map((to) => `^src/${to}/`)] },
      })),
    {
      name: 'through-the-door',
      comment:
        'a folder is entered through its index.ts, so that what stands behind it can change (api has a second door for servers)',
      severity: 'error',
      from: { path: '^src/([^/]+)/' },
      to: {
        path: '^src/([^/]+)/.+',
        pathNot: ['^src/$1/', '^src/[^/]+/index[.]ts$', '^src/api/server[.]ts$'],
      },
    },
    {
      name: 'no-circles',
      comment: 'a circle has no first file to read',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-orphans',
      comment: 'a file nobody imports is dead, unless it is a process or a test',
      severity: 'error',
      from: { orphan: true, pathNot: ['[.]test[.]ts$', '[.]cjs$', '^src/cli/main[.]ts$', '/main[.]ts$'] },
      to: {},
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'types'] },
  },
}
