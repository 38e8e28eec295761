import type { Position } from '../../src/replication/position.ts'

/** Where some feed may stand. */
export const somePosition: Position = {
  version: 2,
  systemId: '7310264859137482345',
  timeline: 1,
  database: 'shop',
  slot: 'shop_feed',
  consistentPoint: '0/1000',
  options: { publications: ['shop'] },
  phase: 'stream',
  lsn: '0/2000',
}
