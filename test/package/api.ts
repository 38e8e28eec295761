import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

/*
 * What the package exports, as text: for each entry the names, and then every declaration that these lead to, whether it has
 * an export of its own or not, since a consumer's types depend on it all the same. It is made of the declarations that
 * the compiler emits, without comments and in a layout of its own, so that only a change of a type changes it.
 */

const repository = join(import.meta.dirname, '../..')

/** A module's declarations by name, and where names come from that it has from others. */
interface Module {
  readonly declarations: ReadonlyMap<string, readonly string[]>
  /** By the name here: another module's path below src, and the name there; `*` for all of it. */
  readonly imports: ReadonlyMap<string, Origin>
  readonly exports: ReadonlyMap<string, Exported>
  /** Modules of which everything is exported. */
  readonly exportsAllOf: readonly { readonly module: string; readonly onlyType: boolean }[]
}

interface Origin {
  readonly module: string
  readonly name: string
}

interface Exported extends Origin {
  /** Exported by `export type`: what is a class is no value there. */
  readonly onlyType: boolean
}

/** The whole text: `npm run docs` keeps it in api.txt. */
export function apiText(): string {
  const folder = mkdtempSync(join(tmpdir(), 'walwire-api-'))
  try {
    const tsc = createRequire(import.meta.url)
      .resolve('typescript/package.json')
      .replace('package.json', 'bin/tsc')
    const emit = ['--emitDeclarationOnly', '--noCheck', '--removeComments', '--outDir', folder]
    execFileSync(process.execPath, [tsc, '-p', join(repository, 'tsconfig.build.json'), ...emit])
    return new Declarations(folder).text()
  } finally {
    rmSync(folder, { recursive: true })
  }
}

class Declarations {
  readonly #folder: string
  readonly #modules = new Map<string, Module>()

  constructor(folder: string) {
    this.#folder = folder
  }

  text(): string {
    const reached = new Map<string, Origin>()
    const entries = Object.entries(entryModules()).map(([entry, module]) => {
      const names = [...this.#exportsOf(module)].sort(([a], [b]) => (a < b ? -1 : 1))
      for (const [, origin] of names) reached.set(keyOf(origin), origin)
      return `${entry}\n${names.map(([name, { module: from, onlyType }]) => `  ${onlyType ? 'type ' : ''}${name} (${from})\n`).join('')}`
    })
    for (const origin of reached.values()) {
      for (const next of this.#needs(origin)) reached.set(keyOf(next), next)
    }
    const declarations = [...reached.entries()]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(
        ([, { module, name }]) => `// ${module}\n${(this.#module(module).declarations.get(name) ?? []).join('\n')}\n`,
      )
    return `${[...entries, ...declarations].join('\n')}`
  }

  #module(path: string): Module {
    const known = this.#modules.get(path)
    if (known !== undefined) return known
    const module = parseModule(path, readFileSync(join(this.#folder, `${path}.d.ts`), 'utf8'))
    this.#modules.set(path, module)
    return module
  }

  /** All names that a module exports, each with the module that declares it. */
  #exportsOf(path: string): Map<string, Exported> {
    const { exports, exportsAllOf } = this.#module(path)
    const names = new Map<string, Exported>()
    for (const all of exportsAllOf) {
      for (const [name, one] of this.#exportsOf(all.module)) {
        names.set(name, { ...one, onlyType: one.onlyType || all.onlyType })
      }
    }
    for (const [name, { onlyType, ...origin }] of exports) names.set(name, { ...this.#declared(origin), onlyType })
    return names
  }

  /** Where a name is declared that another module may only pass on. */
  #declared(origin: Origin): Origin {
    const { declarations, exports } = this.#module(origin.module)
    if (declarations.has(origin.name)) return origin
    const further = exports.get(origin.name) ?? this.#exportsOf(origin.module).get(origin.name)
    if (further === undefined) throw new Error(`${origin.module} has no ${origin.name}`)
    return this.#declared(further)
  }

  /** What a declaration names. */
  #needs({ module, name }: Origin): Origin[] {
    const { declarations, imports } = this.#module(module)
    const text = (declarations.get(name) ?? []).join('\n').replace(/'[^']*'|"[^"]*"/g, "''")
    return [...new Set(text.match(/[A-Za-z_$][\w$]*/g))].flatMap((word) => {
      if (declarations.has(word)) return [{ module, name: word }]
      const origin = imports.get(word)
      return origin === undefined ? [] : [this.#declared(origin)]
    })
  }
}

function keyOf({ module, name }: Origin): string {
  return `${module} ${name}`
}

/** The entries of package.json, each with its module below src. */
function entryModules(): Record<string, string> {
  const manifest: { name: string; exports: Record<string, string | { types: string }> } = JSON.parse(
    readFileSync(join(repository, 'package.json'), 'utf8'),
  )
  return Object.fromEntries(
    Object.entries(manifest.exports).flatMap(([entry, target]) =>
      typeof target === 'string'
        ? []
        : [[join(manifest.name, entry), target.types.replace(/^\.\/dist\/|\.d\.ts$/g, '')]],
    ),
  )
}

function parseModule(path: string, text: string): Module {
  const declarations = new Map<string, string[]>()
  const imports = new Map<string, Origin>()
  const exports = new Map<string, Exported>()
  const exportsAllOf: { module: string; onlyType: boolean }[] = []
  for (const statement of statementsOf(text)) {
    const [, from] = /\bfrom '([^']+)';$/.exec(statement) ?? []
    const module = from?.startsWith('.') ? join(dirname(path), from.replace(/\.[jt]s$/, '')) : undefined
    const [, list = ''] = /^(?:import|export)(?: type)? \{([^}]*)\}/.exec(statement) ?? []
    const names = [...list.matchAll(/(type )?([\w$]+)(?: as ([\w$]+))?/g)].map(([, type, name = '', as = name]) => ({
      name,
      as,
      onlyType: type !== undefined || statement.startsWith('export type'),
    }))
    if (/^import\b/.test(statement)) {
      if (module !== undefined) for (const { name, as } of names) imports.set(as, { module, name })
    } else if (/^export (type )?\*/.test(statement)) {
      if (module !== undefined) exportsAllOf.push({ module, onlyType: statement.startsWith('export type') })
    } else if (/^export(?: type)? \{/.test(statement)) {
      for (const { name, as, onlyType } of names) {
        const origin = module === undefined ? (imports.get(name) ?? { module: path, name }) : { module, name }
        exports.set(as, { ...origin, onlyType })
      }
    } else {
      const [, isExported, name] =
        /^(export )?(?:declare )?(?:abstract )?(?:class|interface|type|function|const|enum|let) ([\w$]+)/.exec(
          statement,
        ) ?? []
      if (name === undefined) throw new Error(`${path} has a declaration that nothing here knows: ${statement}`)
      // a function has one for each way of calling it
      declarations.set(name, [...(declarations.get(name) ?? []), laidOut(statement)])
      if (isExported !== undefined) exports.set(name, { module: path, name, onlyType: false })
    }
  }
  return { declarations, imports, exports, exportsAllOf }
}

/** Strings whole, words, and every other character alone. */
const token = /'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`|\s+|[\w$#]+|=>|\.\.\.|[^\s\w]/g

/** The statements at the top of a module, each on one line with single spaces. */
function statementsOf(text: string): string[] {
  const statements: string[] = []
  let statement = ''
  let depth = 0
  const end = () => {
    if (statement.trim() !== '') statements.push(statement.trim())
    statement = ''
  }
  for (const [part] of text.matchAll(token)) {
    statement += /^\s/.test(part) ? ' ' : part.replace(/^"([^'"\\]*)"$/, "'$1'")
    if (part === '{' || part === '(' || part === '[') depth++
    if (part === '}' || part === ')' || part === ']') depth--
    if (depth > 0) continue
    // an interface, a class and a function's body end with their brace, all others with a semicolon
    if (part === ';' || (part === '}' && /^\s*(export )?(declare )?(abstract )?(interface|class)\b/.test(statement)))
      end()
  }
  end()
  return statements.filter((each) => each !== 'export {};')
}

/** A line for each member, indented by how deep it stands. */
function laidOut(statement: string): string {
  let text = ''
  let depth = 0
  let round = 0
  const line = () => {
    text = `${text.trimEnd()}\n${'  '.repeat(depth)}`
  }
  for (const [part] of statement.matchAll(token)) {
    if (part === '(' || part === '<') round++
    if (part === ')' || (part === '>' && round > 0)) round--
    if (part === '{') {
      depth++
      text += part
      line()
    } else if (part === '}') {
      depth--
      line()
      text += part
    } else if (part === ';') {
      text += part
      if (depth > 0) line()
    } else if (!(/^\s/.test(part) && /\s$/.test(text))) text += part
  }
  return text.trim().replace(/\n\s*\n/g, '\n')
}
