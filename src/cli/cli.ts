/** From arguments to an exit code: parse, load the one command's code, run it, say what failed. */
import { Command, CommanderError } from 'commander'
import { SlipwayError } from '../model/index.ts'
import type { Declaration, Io } from './command.ts'
import { declarations, EPILOGUE, GROUPS } from './declarations.ts'
import { EXIT, exitCode } from './exit.ts'
import { failureLines } from './failure.ts'
import { Options } from './options.ts'
import { VERSION } from './version.ts'

/** Runs one call of `slipway` and gives its exit code; never throws. */
export async function cli(argv: readonly string[], io: Io): Promise<number> {
  const { own, rest } = split(argv)
  let code: number = EXIT.ok
  let passesGuestCode = false
  const program = build(io, async (declaration, args, values) => {
    if (rest.length > 0 && declaration.takesCommand !== true) {
      throw new SlipwayError('bad_request', {
        detail: `slipway ${declaration.name} takes no command after --`,
      })
    }
    passesGuestCode = declaration.takesCommand === true
    const options = new Options(values)
    const config = options.text('config') ?? io.env.SLIPWAY_CONFIG ?? CONFIG_DEFAULT
    const { main } = await declaration.load()
    code = await main({ io, args, rest, options, config, json: options.flag('json') })
  })
  try {
    if (own.length === 0) program.outputHelp()
    else await program.parseAsync(own, { from: 'user' })
    return code
  } catch (error) {
    if (error instanceof CommanderError && (error.exitCode === 0 || error.code === 'commander.help'))
      return EXIT.ok
    const usage = error instanceof CommanderError
    const failure = usage ? new SlipwayError('bad_request', { detail: usageText(error) }) : error
    io.stderr.write(failureLines(failure, { json: own.includes('--json'), stream: io.stderr }))
    return exitCode(failure, { passesGuestCode: passesGuestCode && !usage })
  }
}

const CONFIG_DEFAULT = '/etc/slipway'

/** What follows the first `--` is a guest's and is not looked at. */
function split(argv: readonly string[]): {
  readonly own: readonly string[]
  readonly rest: readonly string[]
} {
  const at = argv.indexOf('--')
  return at < 0 ? { own: argv, rest: [] } : { own: argv.slice(0, at), rest: argv.slice(at + 1) }
}

type Act = (
  declaration: Declaration,
  args: readonly string[],
  options: Record<string, unknown>,
) => Promise<void>

function build(io: Io, act: Act): Command {
  const program = new Command('slipway')
  program
    .usage('[options] <command>')
    .description('A fresh, hardened virtual machine for every CI job.')
    .version(VERSION, '--version', 'print the version')
    .option('--config <dir>', `configuration directory (SLIPWAY_CONFIG, ${CONFIG_DEFAULT})`)
    .option('--no-color', 'no colours (NO_COLOR)')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help of a command')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void io.print(text),
      writeErr: (text) => void io.print(text),
      outputError: () => undefined,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
      getOutHelpWidth: () => WIDTH,
      getErrHelpWidth: () => WIDTH,
    })
    .addHelpText('after', EPILOGUE)
  for (const declaration of declarations) add(program, declaration, act)
  return program
}

/** Of help, wherever it is shown: asking the terminal costs milliseconds. */
const WIDTH = 80

function add(program: Command, declaration: Declaration, act: Act): void {
  const [first = '', second] = declaration.name.split(' ')
  const parent = second === undefined ? program : groupCommand(program, first, declaration.group)
  const command = parent
    .command(second ?? first, declaration.hidden ? { hidden: true } : {})
    .summary(declaration.summary)
    .description(`${declaration.summary[0]?.toUpperCase()}${declaration.summary.slice(1)}.`)
    .helpGroup(second === undefined ? declaration.group : 'Commands:')
  const words = [declaration.arguments, declaration.takesCommand ? '-- <command...>' : undefined]
  command.usage(['[options]', ...words.filter((word) => word !== undefined)].join(' '))
  for (const argument of declaration.arguments?.split(' ') ?? []) command.argument(argument)
  for (const [flags, description] of declaration.options ?? []) command.option(flags, description)
  if (declaration.examples.length > 0) {
    command.addHelpText('after', `\nExamples:\n${declaration.examples.map((line) => `  ${line}\n`).join('')}`)
  }
  command.action(async () => {
    const options = command.optsWithGlobals()
    if (options.color === false) process.env.NO_COLOR = '1'
    await act(declaration, command.args, options)
  })
}

/** `image` of `image build`: made by its first command. */
function groupCommand(program: Command, name: string, group: string): Command {
  const found = program.commands.find((command) => command.name() === name)
  if (found !== undefined) return found
  return program
    .command(name)
    .summary(GROUPS[name] ?? '')
    .helpGroup(group)
}

/** Commander's sentence without its own label; its suggestion stays. */
const usageText = (error: CommanderError): string =>
  error.message
    .replace(/^error: /, '')
    .replaceAll('\n', ' ')
    .trim()
