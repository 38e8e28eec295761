import fc from 'fast-check'

/** One of several kinds of value. What is of a later kind is made smaller as one of the first, so that is the simplest. */
export function either<Value>(...kinds: readonly fc.MaybeWeightedArbitrary<Value>[]): fc.Arbitrary<Value> {
  return fc.oneof({ withCrossShrink: true }, ...kinds)
}
