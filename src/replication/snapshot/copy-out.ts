import { isCopyTrailer, skipCopyHeader } from '../../decoder/copy-binary.ts'
import type { Connection } from '../../protocol/connection/connection.ts'
import { ProtocolError } from '../../protocol/messages/errors.ts'
import { backendTag } from '../../protocol/messages/tags.ts'

/** How a copy writes its rows. */
export type CopyFormat = 'text' | 'binary'

/**
 * The rows of one `COPY … TO STDOUT`, pulled: nothing is read beyond the connection's read-ahead until they are taken.
 * The one loop that reads a copy, in either format.
 */
export class CopyOut {
  readonly #connection: Connection
  readonly #binary: boolean
  #begun: boolean
  #rows = 0

  private constructor(connection: Connection, format: CopyFormat) {
    this.#connection = connection
    this.#binary = format === 'binary'
    this.#begun = !this.#binary
  }

  /**
   * Begins a copy.
   *
   * @param sql the command without its format
   * @throws {WalwireError} as {@link Connection.copy}
   */
  static async begin(connection: Connection, sql: string, format: CopyFormat): Promise<CopyOut> {
    await connection.copy(format === 'binary' ? `${sql} (FORMAT binary)` : sql)
    return new CopyOut(connection, format)
  }

  /** Rows that were handed over. */
  get rows(): number {
    return this.#rows
  }

  /**
   * Hands over rows, each as its bytes, until `take` wants no more for now or there are none left: then the connection
   * can be used for queries again.
   *
   * @param take answers true for a pause; the bytes are its own only until it returns
   * @returns whether there may be more
   * @throws {WalwireError} of an ErrorResponse, or why the connection is gone; {@link ProtocolError} when the server
   * counted other rows
   */
  async pull(take: (bytes: Uint8Array, start: number, end: number) => boolean): Promise<boolean> {
    const connection = this.#connection
    const { framer } = connection
    connection.keepReading()
    for (;;) {
      while (framer.next()) {
        if (framer.tag !== backendTag.CopyData) {
          if (connection.sideMessage() === 'handled') continue
          await this.#finish()
          return false
        }
        const { bytes, end } = framer
        const start = this.#begun ? framer.start : skipCopyHeader(bytes, framer.start, end)
        this.#begun = true
        if (this.#binary && (start === end || isCopyTrailer(bytes, start, end))) continue
        this.#rows++
        if (take(bytes, start, end)) return true
      }
      if (!(await connection.more())) throw await connection.ended
    }
  }

  /** The server counts too. */
  async #finish(): Promise<void> {
    const [command] = await this.#connection.endCopy()
    if (command === `COPY ${this.#rows}`) return
    throw new ProtocolError('a copy could not be read', `${this.#rows} rows came, the server says ${command}`, 0)
  }
}
