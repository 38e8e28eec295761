import { readFile } from 'node:fs/promises'
import { CommandError } from './command-error.ts'
import { plainDiagnostics } from './diagnostics.ts'
import { exitCodeOf, exitCodes } from './exit-code.ts'
import { nearest } from './nearest.ts'
import { print } from './print.ts'
import { quotedArgument } from './quoted-argument.ts'

interface Command {
  readonly summary: string
  readonly load: () => Promise<(argv: readonly string[]) => Promise<number>>
}

/** Loaded when called: `walwire --help` must not wait for what only one command needs. */
const commands: Readonly<Record<string, Command>> = {
  follow: {
    summary: 'snapshot the tables of a publication, and follow them',
    load: async () => (await import('./follow/follow-command.ts')).followCommand,
  },
  adopt: {
    summary: 'take a checkpoint over to another server, or another slot',
    load: async () => (await import('./adopt/adopt-command.ts')).adoptCommand,
  },
  fuzz: {
    summary: 'try random values of every type, and compare all ways that they can take',
    load: async () => (await import('./fuzz/fuzz-command.ts')).fuzzCommand,
  },
  demo: {
    summary: 'boot a server with a small live shop on it, and follow it',
    load: async () => (await import('./demo/demo-command.ts')).demoCommand,
  },
}

const help = `Usage: walwire COMMAND [options]

Commands
${Object.entries(commands)
  .map(([name, { summary }]) => `  ${name.padEnd(10)}${summary}\n`)
  .join('')}
  walwire COMMAND --help    the options of a command
  walwire --version
`

/** Runs the command line, without the program's name, and gives the exit code. */
export async function walwire(argv: readonly string[]): Promise<number> {
  const [first, ...rest] = argv
  try {
    if (first === '--help' || first === '-h' || first === '--version') {
      await print(first === '--version' ? `${await version()}\n` : help)
      return exitCodes.done
    }
    const command = first !== undefined && Object.hasOwn(commands, first) ? commands[first] : undefined
    if (command === undefined) throw unknownCommand(first)
    return await (await command.load())(rest)
  } catch (error) {
    plainDiagnostics('error').fail(error)
    return exitCodeOf(error)
  }
}

function unknownCommand(given: string | undefined): CommandError {
  const meant = given === undefined ? undefined : nearest(given, Object.keys(commands))
  return new CommandError('usage', {
    what: given === undefined ? 'no command is given' : `${quotedArgument(given)} is not a command`,
    why: `there is ${Object.keys(commands).join(', ')}`,
    hint: meant === undefined ? 'see walwire --help' : `did you mean walwire ${meant}? See walwire --help`,
  })
}

async function version(): Promise<string> {
  // the same distance from src/cli and dist/cli
  const manifest: unknown = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'))
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : ''
}
