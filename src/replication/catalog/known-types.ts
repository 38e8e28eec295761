import type { RelationMessage } from '../../decoder/messages.ts'
import { PgoutputDecoder } from '../../decoder/pgoutput.ts'
import { TypeRegistry } from '../../decoder/types/registry.ts'
import type { FollowSettings } from '../follow-options.ts'
import { Growth } from '../growth.ts'
import { BinaryFormat } from '../stream/binary-format.ts'
import type { Queryable } from './queryable.ts'
import { readTypes } from './type-catalog.ts'
import { TypeWatch, withUncertainty } from './type-watch.ts'
import { waitUntilVisible } from './visibility.ts'

/** What must be known of a database before its types can be learned. */
export interface TypeSource {
  /** An ordinary connection, which sees the catalog. */
  readonly ordinary: Queryable
  /** As `server_version_num`. */
  readonly version: number
}

/** What was learned of a database's types, and with them of its relations: whoever reads values asks here. */
export class KnownTypes {
  /** As the catalog has them: see {@link renew}. */
  registry: TypeRegistry
  watch: TypeWatch
  binaryFormat: BinaryFormat
  /** Of the stream that runs, or of the next one. */
  decoder: PgoutputDecoder
  readonly #settings: FollowSettings
  readonly #source: TypeSource
  readonly #said: Set<string>
  readonly #growth = new Growth()

  /**
   * @param said what the feed has logged already
   * @param former of the connections before
   */
  constructor(settings: FollowSettings, source: TypeSource, said: Set<string>, former?: PgoutputDecoder) {
    this.#settings = settings
    this.#source = source
    this.#said = said
    this.registry = this.#newRegistry()
    this.watch = new TypeWatch(this.registry, source.ordinary, settings.logger)
    this.binaryFormat = this.#newBinaryFormat()
    this.decoder = new PgoutputDecoder({ protoVersion: 1, types: this.registry, ...(former && { former }) })
  }

  /** Types were altered before any was streamed: they are asked for again when they are needed. */
  renew(): void {
    this.registry = this.#newRegistry()
    this.watch = new TypeWatch(this.registry, this.#source.ordinary, this.#settings.logger)
    this.binaryFormat = this.#newBinaryFormat()
    this.renewDecoder()
  }

  /** Another stream describes its relations anew; what did not change stays the same object. */
  renewDecoder(): void {
    this.decoder = new PgoutputDecoder({ protoVersion: 1, types: this.registry, former: this.decoder })
  }

  #newRegistry(): TypeRegistry {
    const { types, values, invalidText, logger } = this.#settings
    const { version } = this.#source
    return new TypeRegistry({
      overrides: types,
      values,
      // no encoding keeps everything out that is not UTF-8
      uncheckedText: invalidText,
      serverVersion: Math.floor(version / 10_000),
      onMismatch: ({ label }, why) => logger.warn({ type: label }, `type ${label} is delivered as text: ${why}`),
    })
  }

  #newBinaryFormat(): BinaryFormat {
    return new BinaryFormat(this.registry, this.#settings.logger, this.#said)
  }

  /**
   * Makes types known that are not yet, over the ordinary connection. Undefined when there is nothing to ask.
   *
   * @param xid the transaction in which they came, which may have made them
   */
  learn(oids: readonly number[], xid?: number): Promise<void> | undefined {
    const unknown = this.#unknown(oids)
    return unknown.length === 0 ? undefined : this.#read(unknown, xid)
  }

  /** The same for the columns of a relation. */
  learnRelation(relation: RelationMessage, xid: number | undefined): Promise<void> | undefined {
    return this.learn(
      relation.columns.map((column) => column.typeOid),
      xid,
    )
  }

  /**
   * Where many types were learned, forgets those that no known relation has; one that comes again is asked for again. Not
   * inside a transaction, whose relations may be about to be described.
   */
  forgetUnused(): void {
    if (!this.#growth.isDue(this.registry.size)) return
    const relations = [...this.decoder.relations.values()]
    const used = relations.flatMap(({ columns }) => columns.map(({ typeOid }) => typeOid))
    this.watch.forget(this.registry.retain(used))
    this.#growth.looked(this.registry.size)
  }

  #unknown(oids: readonly number[]): number[] {
    return [...new Set(oids)].filter((oid) => this.registry.get(oid) === undefined)
  }

  async #read(oids: readonly number[], xid: number | undefined): Promise<void> {
    await this.#add(oids)
    if (xid !== undefined && this.#unknown(oids).length > 0) {
      const isVisible = await waitUntilVisible(this.#source.ordinary, xid, this.#settings.logger)
      if (isVisible) await this.#add(this.#unknown(oids))
    }
    for (const oid of this.#unknown(oids)) {
      this.registry.addUnknown(oid)
      this.#settings.logger.warn({ oid }, `type ${oid} is not in the catalog: its values are delivered as text`)
    }
  }

  async #add(oids: readonly number[]): Promise<void> {
    const { ordinary } = this.#source
    const types = await withUncertainty(await readTypes(ordinary, oids), ordinary, this.#settings.slot)
    // what is known stays what it is: others are made of it
    for (const type of types) if (this.registry.get(type.oid) === undefined) this.registry.add(type)
  }
}
