import type { Column } from '../../decoder/relation.ts'

/** A column's type as SQL has it: `varchar(20)`, `numeric(10,2)`, `int4[]`. Names outside pg_catalog keep their schema. */
export function typeName({ type, typmod }: Pick<Column, 'type' | 'typmod'>): string {
  const array = /^(.*\.)?_(.+)$/s.exec(type)
  const element = array === null ? type : `${array[1] ?? ''}${array[2]}`
  return `${element}${modifier(element, typmod)}${array === null ? '' : '[]'}`
}

/** What typmod means for each type is known to that type's own functions; these are numeric.c, varchar.c, timestamp.c. */
function modifier(type: string, typmod: number): string {
  if (typmod < 0) return ''
  switch (type) {
    case 'varchar':
    case 'bpchar':
      return `(${typmod - 4})`
    case 'numeric': {
      const both = typmod - 4
      // eleven bits with a sign
      const scale = ((both & 0x7ff) ^ 0x400) - 0x400
      return `(${(both >>> 16) & 0xffff},${scale})`
    }
    case 'bit':
    case 'varbit':
    case 'time':
    case 'timetz':
    case 'timestamp':
    case 'timestamptz':
      return `(${typmod})`
    default:
      return ''
  }
}
