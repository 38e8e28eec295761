import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { type Block, repository } from './documents.ts'

/** The TypeScript of all documents, compiled. */
export interface Programs {
  /** What the compiler says of a block, with the lines of its document. */
  mistakesIn(block: Block): string[]
  /** The file that Node runs. */
  scriptOf(block: Block): string
}

const options = {
  extends: join(repository, 'tsconfig.json'),
  compilerOptions: {
    noEmit: false,
    allowImportingTsExtensions: false,
    outDir: 'js',
    rootDir: '.',
    typeRoots: [join(repository, 'node_modules/@types')],
  },
  include: ['*.ts'],
}

/** What a block may import, by name, as someone would have it who installed walwire. */
const packages = ['postgres', 'pino', 'pg-protocol']

/**
 * Compiles blocks, each as a module of its own in which the lines have the numbers that they have in the document.
 *
 * @param preludeOf one line that comes before a block: imports of what the document takes for granted
 */
export async function compile(
  blocks: readonly Block[],
  folder: string,
  preludeOf: (block: Block) => string,
): Promise<Programs> {
  const modules = join(folder, 'node_modules')
  mkdirSync(modules, { recursive: true })
  symlinkSync(repository, join(modules, 'walwire'))
  for (const name of packages) symlinkSync(join(repository, 'node_modules', name), join(modules, name))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n')
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(options))
  for (const block of blocks) {
    const padding = '\n'.repeat(block.line)
    writeFileSync(join(folder, `${nameOf(block)}.ts`), `${preludeOf(block)}${padding}${block.text}\nexport {}\n`)
  }
  const compiler = join(repository, 'node_modules/typescript/bin/tsc')
  const child = spawn(process.execPath, [compiler, '-p', '.', '--pretty', 'false'], { cwd: folder })
  const [said] = await Promise.all([text(child.stdout), once(child, 'close')])
  const lines = said.split('\n').filter((line) => line !== '')
  const ofBlock = (block: Block) => lines.filter((line) => line.startsWith(`${nameOf(block)}.ts(`))
  const stray = lines.filter((line) => !line.startsWith(' ') && !blocks.some((block) => ofBlock(block).includes(line)))
  if (stray.length > 0) throw new Error(`the compiler says:\n${said}`)
  return { mistakesIn: ofBlock, scriptOf: (block) => join(folder, 'js', `${nameOf(block)}.js`) }
}

function nameOf({ document, line }: Block): string {
  return `${document.replaceAll('/', '.')}-${line}`
}
