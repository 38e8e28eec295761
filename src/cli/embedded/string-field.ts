/** A text in a JSON object. @throws Error where there is none */
export function stringField(object: unknown, name: string): string {
  const value: unknown = typeof object === 'object' && object !== null ? Reflect.get(object, name) : undefined
  if (typeof value !== 'string') throw new Error(`expected a text as "${name}" in ${JSON.stringify(object)}`)
  return value
}
