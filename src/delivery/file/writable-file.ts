/** A file that is open for writing. */
export interface WritableFile {
  /** Whether it is a file with a length, not a pipe or a device. */
  readonly regular: boolean
  /** Writes all of it at the end. */
  write(bytes: Uint8Array): Promise<void>
  /** Returns when everything written is on the disk. */
  sync(): Promise<void>
  size(): Promise<number>
  /** Whether this path still leads to it: it may have been moved, or removed, while it is open. */
  isAt(path: string): Promise<boolean>
  truncate(length: number): Promise<void>
  close(): Promise<void>
}
