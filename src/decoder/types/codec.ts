/** Reads a value out of its text or binary form in bytes[start, end). What it returns holds nothing of `bytes`. */
export type ReadValue<T = unknown> = (bytes: Uint8Array, start: number, end: number) => T

/** How the values of a type are read and written, whatever the type is called: see builtin.ts for which has which. */
export interface Codec<T = unknown> {
  readonly readText: ReadValue<T>
  /** Reads the result of the type's send function; undefined where its form is not known. */
  readonly readBinary: ReadValue<T> | undefined
  /** The text that the server reads as this value, and where it prints but one, that one. */
  readonly encodeText: (value: unknown) => string
  /** What the type's receive function takes. */
  readonly encodeBinary: ((value: unknown) => Uint8Array) | undefined
  /** `readBinary` gives the very value that `readText` gives for the same value of the server's. */
  readonly binaryExact: boolean
  /** The value, or null, as JSON on one line; where nothing else is said, by what the value is: json-value.ts. */
  readonly writeJson?: (value: unknown) => string
  /** What takes this codec's place where nobody has checked that text is UTF-8. Types of ASCII alone need none. */
  readonly strict?: Codec<T>
  /** The same without the caller's overrides, where it has any. Writing is always without them. */
  readonly plain?: Codec
}
