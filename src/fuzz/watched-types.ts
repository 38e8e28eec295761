import { type PgType, type ReadValue, TypeRegistry, type TypeRegistryOptions } from '../decoder/types/registry.ts'

/** What a reader threw, in the place of the value: one value that cannot be read must not hide those beside it. */
export class Unreadable {
  readonly error: unknown

  constructor(error: unknown) {
    this.error = error
  }
}

/** Changes how a type is read and written: for a test that wants to see a broken one found. */
export type AlterType = (type: PgType) => PgType

/** The registry whose types are tried: walwire's own, with readers that give back what they throw. */
export class WatchedTypes extends TypeRegistry {
  readonly #alter: AlterType
  readonly #watched = new Map<PgType, PgType>()

  constructor(options: TypeRegistryOptions, alter: AlterType = (type) => type) {
    super(options)
    this.#alter = alter
  }

  override get(oid: number): PgType | undefined {
    const type = super.get(oid)
    if (type === undefined) return undefined
    const known = this.#watched.get(type)
    if (known !== undefined) return known
    const watched = watch(this.#alter(type))
    this.#watched.set(type, watched)
    return watched
  }
}

function watch(type: PgType): PgType {
  return {
    ...type,
    readText: watchReader(type.readText),
    readBinary: type.readBinary && watchReader(type.readBinary),
  }
}

function watchReader(read: ReadValue): ReadValue {
  return (bytes, start, end) => {
    try {
      return read(bytes, start, end)
    } catch (error) {
      return new Unreadable(error)
    }
  }
}
