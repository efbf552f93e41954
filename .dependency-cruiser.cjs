/** The arrows of the design: who may import whom. Each forbidden edge says why. */
const folders = ['model', 'toml', 'files', 'libvirt', 'api', 'guest', 'coordinator', 'agent', 'fronts', 'cli']

const allowed = {
  model: [],
  toml: ['model'],
  files: ['model'],
  libvirt: [],
  api: ['model'],
  guest: ['model'],
  coordinator: ['model', 'toml', 'files', 'api'],
  agent: ['model', 'toml', 'files', 'api', 'guest', 'libvirt'],
  fronts: ['model', 'api', 'guest'],
}

/** From → to → why not. `*` holds for all others; every forbidden pair has its line. */
const why = {
  model: { '*': 'the words stand alone, so that everything may speak them' },
  toml: { '*': 'how a file is read knows nothing of what stands in it' },
  files: { '*': 'what is kept on a host is told by paths alone' },
  libvirt: { '*': 'a publishable client knows nothing of its user' },
  api: { '*': 'the contract depends on the words only' },
  guest: { '*': 'reaching into a guest depends on the words only' },
  coordinator: {
    agent: 'they meet in api: intent goes down, facts come up, each may be restarted alone',
    guest: 'the coordinator is not on the path of a job and never holds a connection to one',
    libvirt: 'the coordinator decides; what a hypervisor is, its host knows',
    '*': 'a server knows nothing of its clients',
  },
  agent: {
    coordinator: 'they meet in api: the agent does what is wanted and decides nothing',
    '*': 'an agent knows nothing of who uses its machines',
  },
  fronts: {
    coordinator: 'a front is one more client of the API',
    agent: 'a front reaches a machine by SSH and nothing else of its host',
    libvirt: 'a front must work where no hypervisor is',
    toml: 'its schemas come with a library that would slow each stage of a job down',
    files: 'a front is many at once, and owns nothing on its host',
    '*': 'a front can be used without the command line',
  },
}

const arrows = Object.keys(allowed).flatMap((from) =>
  folders
    .filter((to) => to !== from && !allowed[from].includes(to))
    .map((to) => ({
      name: `${from}-not-${to}`,
      comment: to === 'cli' ? 'the command line is the outermost layer' : (why[from][to] ?? why[from]['*']),
      severity: 'error',
      from: { path: `^src/${from}/`, pathNot: '[.]test[.]ts$' },
      to: { path: `^src/${to}/` },
    })),
)

module.exports = {
  forbidden: [
    ...arrows,
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
      name: 'drivers-apart',
      comment: 'a driver can be replaced, so that none may lean on another',
      severity: 'error',
      from: { path: '^src/agent/drivers/([^/]+)/' },
      to: { path: '^src/agent/drivers/([^/]+)/', pathNot: '^src/agent/drivers/$1/' },
    },
    {
      name: 'product-without-tests',
      comment: 'what users run must not need what tests need',
      severity: 'error',
      from: { path: '^src/', pathNot: '[.]test[.]ts$' },
      to: { path: ['^test/', '^bench/', '[.]test[.]ts$'] },
    },
    {
      name: 'schema-free-command-line',
      comment: 'start-up is everybody’s time: servers’ libraries are loaded by the commands that need them',
      severity: 'error',
      from: { path: '^src/(cli|api/(client|endpoints|index)[.]ts)', pathNot: '[.]test[.]ts$' },
      to: { path: 'node_modules/(zod|fastify|ssh2|pino|undici)/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'no-circles',
      comment: 'a circle has no first file to read',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'types'] },
  },
}
