import { ProtocolError } from '../../protocol/messages/errors.ts'

/** @throws {ProtocolError} when a value of `type` that takes `expected` bytes takes another number of them. */
export function checkLength(start: number, end: number, expected: number, type: string): void {
  if (end - start !== expected) wrongLength(end - start, expected, type)
}

function wrongLength(length: number, expected: number, type: string): never {
  throw new ProtocolError(
    `a binary ${type} could not be read`,
    `it takes ${expected} bytes, ${length} came`,
    Math.min(length, expected),
  )
}
