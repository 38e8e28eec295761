import type { Column } from '../relation.ts'
import type { PgType } from './registry.ts'

const types = new WeakMap<Column, PgType>()

/** Notes the type that a column's values are read as, with the overrides of its feed: for whoever writes them again. */
export function setColumnType(column: Column, type: PgType): void {
  types.set(column, type)
}

/** The type that a column's values were read as; undefined for a column that no decoder made, such as a copy of one. */
export function columnType(column: Column): PgType | undefined {
  return types.get(column)
}
