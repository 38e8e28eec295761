/*
 * What the compiler must and must not accept of a caller. Nothing here runs: `npm run check` is the test, and each
 * `@ts-expect-error` fails it when its line compiles.
 */
import { expectTypeOf } from 'vitest'
import {
  type Batch,
  type Feed,
  follow,
  type Position,
  type Row,
  toJsonLine,
  type UpdateEvent,
} from '../../src/index.ts'

interface Order {
  readonly id: number
  readonly body: string | null
  readonly total: string
}

interface Customer {
  readonly id: bigint
  readonly name: string
}

type Shop = { 'public.orders': Order; 'public.customers': Customer }

const feed = follow<Shop>({ publication: 'shop', slot: 'shop_feed' })

export async function tablesNarrowRows(): Promise<void> {
  for await (const batch of feed) {
    expectTypeOf(batch).toEqualTypeOf<Batch<Shop>>()
    expectTypeOf(batch.position).toEqualTypeOf<Position>()
    for (const event of batch.events) {
      if (event.kind === 'insert' && event.unchanged === undefined) {
        expectTypeOf(event.table).toEqualTypeOf<'public.orders' | 'public.customers'>()
        expectTypeOf(event.new).toEqualTypeOf<Order | Customer>()
        if (event.table === 'public.orders') {
          expectTypeOf(event.new).toEqualTypeOf<Order>()
          expectTypeOf(event.new.total).toEqualTypeOf<string>()
          // @ts-expect-error a column of the other table
          event.new.name
        } else {
          expectTypeOf(event.new).toEqualTypeOf<Customer>()
        }
        // @ts-expect-error a table that is not followed
        if (event.table === 'public.stock') return
      }
      if (event.kind === 'insert' && event.unchanged !== undefined && event.table === 'public.orders') {
        // made of an update by a row filter, without the large values that it did not change
        expectTypeOf(event.new).toEqualTypeOf<Partial<Order>>()
      }
      if (event.kind === 'snapshot' && event.table === 'public.customers') {
        expectTypeOf(event.new.id).toEqualTypeOf<bigint>()
        // @ts-expect-error a copied row belongs to no transaction
        event.tx
      }
    }
  }
}

export async function unchangedForcesABranch(): Promise<void> {
  for await (const { events } of feed) {
    for (const event of events) {
      if (event.kind !== 'update' || event.table !== 'public.orders') continue
      // @ts-expect-error the value may be stored out of line and not sent
      expectTypeOf(event.new.total).toEqualTypeOf<string>()
      expectTypeOf(event.new.total).toEqualTypeOf<string | undefined>()
      if (event.unchanged === undefined) {
        expectTypeOf(event.new).toEqualTypeOf<Order>()
      } else {
        expectTypeOf(event.new).toEqualTypeOf<Partial<Order>>()
        expectTypeOf(event.unchanged).toEqualTypeOf<readonly string[]>()
      }
    }
  }
}

export async function whatWasBeforeIsAKeyOrARow(): Promise<void> {
  for await (const { events } of feed) {
    for (const event of events) {
      if (event.kind === 'delete' && event.table === 'public.orders') {
        if (event.old === undefined) expectTypeOf(event.key).toEqualTypeOf<Partial<Order>>()
        else expectTypeOf(event.old).toEqualTypeOf<Order>()
      }
      if (event.kind === 'update' && event.table === 'public.orders') {
        // neither may have been sent
        expectTypeOf(event.old).toEqualTypeOf<Order | undefined>()
        if (event.key !== undefined) expectTypeOf(event.key).toEqualTypeOf<Partial<Order>>()
      }
    }
  }
}

export async function everyKindIsKnown(): Promise<void> {
  for await (const { events } of feed) {
    for (const event of events) {
      switch (event.kind) {
        case 'snapshot-begin':
          expectTypeOf(event.mode).toEqualTypeOf<'initial' | 'replace'>()
          break
        case 'snapshot':
        case 'insert':
        case 'update':
        case 'delete':
        case 'relation':
          break
        case 'snapshot-end':
          expectTypeOf(event.rows).toEqualTypeOf<number>()
          break
        case 'table-left':
          expectTypeOf(event.reason).toEqualTypeOf<'dropped' | 'removed' | 'partition'>()
          break
        case 'begin':
        case 'commit':
          expectTypeOf(event.tx.commitTime).toEqualTypeOf<bigint>()
          expectTypeOf(event.tx.endLsn).toEqualTypeOf<bigint | undefined>()
          break
        case 'truncate':
          expectTypeOf(event.seq).toEqualTypeOf<number>()
          break
        case 'message':
          if (event.transactional) expectTypeOf(event.tx.xid).toEqualTypeOf<number>()
          else expectTypeOf(event.seq).toEqualTypeOf<undefined>()
          break
        default:
          event satisfies never
      }
    }
  }
}

export async function withoutTablesRowsAreOfAnyKind(): Promise<void> {
  for await (const { events } of follow({ publication: 'shop', slot: 'shop_feed' })) {
    for (const event of events) {
      if (event.kind !== 'insert') continue
      expectTypeOf(event.table).toEqualTypeOf<string>()
      expectTypeOf(event.new).toEqualTypeOf<Row>()
      expectTypeOf(event.new.total).toEqualTypeOf<unknown>()
    }
  }
}

export function eventsOfAnyTablesHaveALine(batch: Batch, ofTheShop: Batch<Shop>): readonly string[] {
  // rows that are interfaces are no records, and yet rows
  return [...batch.events.map(toJsonLine), ...ofTheShop.events.map((event) => toJsonLine(event))]
}

/** Tables may be an interface too. */
interface Tables {
  'public.orders': Order
}

export function anInterfaceOfTablesServes(): Feed<Tables> {
  return follow<Tables>({ publication: 'shop', slot: 'shop_feed' })
}

export function optionsAreChecked(position: Position): void {
  const least = { publication: 'shop', slot: 'shop_feed' }
  follow({ ...least, start: position })
  follow({ ...least, start: '0/1B00F10' })
  follow({ ...least, start: 0x1b00f10n })
  follow({ ...least, start: undefined, stop: undefined, signal: undefined })
  follow({ ...least, types: { jsonb: JSON.parse, timestamptz: (text: string) => new Date(text) } })
  // @ts-expect-error an LSN does not fit a number
  follow({ ...least, start: 28_315_408 })
  // @ts-expect-error one of three
  follow({ ...least, snapshot: 'always' })
  // @ts-expect-error without a publication there is nothing to follow
  follow({ slot: 'shop_feed' })
  // @ts-expect-error a position is acknowledged, an LSN says too little
  feed.ack('0/1B00F10')
}

export function whatIsDeliveredIsNotToBeChanged(batch: Batch<Shop>, update: UpdateEvent<'public.orders', Order>): void {
  // @ts-expect-error events are read-only
  batch.events.push(update)
  // @ts-expect-error shared between the events of a transaction
  update.tx.xid = 1
  // @ts-expect-error stored, compared, given back: not edited
  batch.position.lsn = '0/0'
}
