/**
 * Makes an input smaller while it shows the same bug: leaves out ever smaller pieces, and then makes bytes plain.
 *
 * @param shows whether an input still shows it
 * @param deadlineMs in performance.now()'s time
 */
export async function shrink(
  input: Uint8Array,
  shows: (input: Uint8Array) => boolean | Promise<boolean>,
  deadlineMs: number,
): Promise<Uint8Array> {
  let smallest = input
  for (let size = Math.ceil(input.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < smallest.length && performance.now() < deadlineMs; ) {
      const without = new Uint8Array(smallest.length - Math.min(size, smallest.length - at))
      without.set(smallest.subarray(0, at))
      without.set(smallest.subarray(at + size), at)
      if (await shows(without)) smallest = without
      else at += size
    }
  }
  for (let at = 0; at < smallest.length && performance.now() < deadlineMs; at++) {
    for (const plain of [0x00, 0x30, 0x61]) {
      const plainer = smallest.slice()
      if (plainer[at] === plain) break
      plainer[at] = plain
      if (!(await shows(plainer))) continue
      smallest = plainer
      break
    }
  }
  return smallest
}
