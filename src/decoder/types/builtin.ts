import { bitsCodec } from './bits.ts'
import { boolCodec } from './bool.ts'
import { byteaCodec } from './bytea.ts'
import type { Codec } from './codec.ts'
import { dateCodec } from './date.ts'
import { float4Codec, float8Codec } from './float.ts'
import { boxCodec, circleCodec, lineCodec, lsegCodec, pathCodec, pointCodec, polygonCodec } from './geometric.ts'
import { int2Codec, int4Codec, int8Codec, oidCodec } from './integer.ts'
import { intervalCodec } from './interval.ts'
import { jsonbCodec, jsonCodec, jsonpathCodec } from './json.ts'
import { macaddr8Codec, macaddrCodec } from './mac-address.ts'
import { cidrCodec, inetCodec } from './network.ts'
import { numericCodec } from './numeric.ts'
import { oidAliasCodec } from './oid-alias.ts'
import { charCodec, textCodec, textOnlyCodec } from './string.ts'
import { timeCodec, timetzCodec } from './time.ts'
import { timestampCodec, timestamptzCodec } from './timestamp.ts'
import { lsnCodec, snapshotCodec, tidCodec, xid8Codec, xidCodec } from './transaction.ts'
import { tsqueryCodec } from './tsquery.ts'
import { tsvectorCodec } from './tsvector.ts'
import { uuidCodec } from './uuid.ts'
import { int2vectorCodec, oidvectorCodec } from './vector.ts'

/** What built-in types are grouped by in docs/types.md. */
export type TypeCategory =
  | 'Booleans and numbers'
  | 'Text and bytes'
  | 'Dates and times'
  | 'JSON and XML'
  | 'Networks and identifiers'
  | 'Geometry'
  | 'Text search'
  | 'Object identifiers'
  | 'Transactions'
  | 'Ranges'
  | 'Of the system itself'

/** A type of pg_catalog: everything that walwire knows of it. */
export interface BuiltinType {
  readonly oid: number
  /** OID of its array type, whose name is this one's with an underscore before it; 0 where it has none. */
  readonly arrayOid: number
  readonly name: string
  readonly category: TypeCategory
  /** What stands between the elements of an array of it (`pg_type.typdelim`); a comma where nothing else is said. */
  readonly delimiter?: string
  readonly codec: Codec
}

/**
 * Every type of pg_catalog that a column can have, but for ranges and arrays, as PostgreSQL 14 to 18 know them alike.
 * Row types of the system's own tables are left to the catalog. A test compares this with pg_type.
 *
 * @see https://github.com/postgres/postgres/blob/master/src/include/catalog/pg_type.dat
 */
export const builtinTypes = [
  { oid: 16, arrayOid: 1000, name: 'bool', category: 'Booleans and numbers', codec: boolCodec },
  { oid: 17, arrayOid: 1001, name: 'bytea', category: 'Text and bytes', codec: byteaCodec },
  { oid: 18, arrayOid: 1002, name: 'char', category: 'Text and bytes', codec: charCodec },
  { oid: 19, arrayOid: 1003, name: 'name', category: 'Text and bytes', codec: textCodec },
  { oid: 20, arrayOid: 1016, name: 'int8', category: 'Booleans and numbers', codec: int8Codec },
  { oid: 21, arrayOid: 1005, name: 'int2', category: 'Booleans and numbers', codec: int2Codec },
  { oid: 22, arrayOid: 1006, name: 'int2vector', category: 'Object identifiers', codec: int2vectorCodec },
  { oid: 23, arrayOid: 1007, name: 'int4', category: 'Booleans and numbers', codec: int4Codec },
  { oid: 24, arrayOid: 1008, name: 'regproc', category: 'Object identifiers', codec: oidAliasCodec },
  { oid: 25, arrayOid: 1009, name: 'text', category: 'Text and bytes', codec: textCodec },
  { oid: 26, arrayOid: 1028, name: 'oid', category: 'Object identifiers', codec: oidCodec },
  { oid: 27, arrayOid: 1010, name: 'tid', category: 'Transactions', codec: tidCodec },
  { oid: 28, arrayOid: 1011, name: 'xid', category: 'Transactions', codec: xidCodec },
  { oid: 29, arrayOid: 1012, name: 'cid', category: 'Transactions', codec: xidCodec },
  { oid: 30, arrayOid: 1013, name: 'oidvector', category: 'Object identifiers', codec: oidvectorCodec },
  { oid: 114, arrayOid: 199, name: 'json', category: 'JSON and XML', codec: jsonCodec },
  { oid: 142, arrayOid: 143, name: 'xml', category: 'JSON and XML', codec: textCodec },
  { oid: 194, arrayOid: 0, name: 'pg_node_tree', category: 'Of the system itself', codec: textCodec },
  { oid: 600, arrayOid: 1017, name: 'point', category: 'Geometry', codec: pointCodec },
  { oid: 601, arrayOid: 1018, name: 'lseg', category: 'Geometry', codec: lsegCodec },
  { oid: 602, arrayOid: 1019, name: 'path', category: 'Geometry', codec: pathCodec },
  { oid: 603, arrayOid: 1020, name: 'box', category: 'Geometry', delimiter: ';', codec: boxCodec },
  { oid: 604, arrayOid: 1027, name: 'polygon', category: 'Geometry', codec: polygonCodec },
  { oid: 628, arrayOid: 629, name: 'line', category: 'Geometry', codec: lineCodec },
  { oid: 650, arrayOid: 651, name: 'cidr', category: 'Networks and identifiers', codec: cidrCodec },
  { oid: 700, arrayOid: 1021, name: 'float4', category: 'Booleans and numbers', codec: float4Codec },
  { oid: 701, arrayOid: 1022, name: 'float8', category: 'Booleans and numbers', codec: float8Codec },
  { oid: 718, arrayOid: 719, name: 'circle', category: 'Geometry', codec: circleCodec },
  { oid: 774, arrayOid: 775, name: 'macaddr8', category: 'Networks and identifiers', codec: macaddr8Codec },
  { oid: 790, arrayOid: 791, name: 'money', category: 'Booleans and numbers', codec: textOnlyCodec },
  { oid: 829, arrayOid: 1040, name: 'macaddr', category: 'Networks and identifiers', codec: macaddrCodec },
  { oid: 869, arrayOid: 1041, name: 'inet', category: 'Networks and identifiers', codec: inetCodec },
  { oid: 1033, arrayOid: 1034, name: 'aclitem', category: 'Of the system itself', codec: textOnlyCodec },
  { oid: 1042, arrayOid: 1014, name: 'bpchar', category: 'Text and bytes', codec: textCodec },
  { oid: 1043, arrayOid: 1015, name: 'varchar', category: 'Text and bytes', codec: textCodec },
  { oid: 1082, arrayOid: 1182, name: 'date', category: 'Dates and times', codec: dateCodec },
  { oid: 1083, arrayOid: 1183, name: 'time', category: 'Dates and times', codec: timeCodec },
  { oid: 1114, arrayOid: 1115, name: 'timestamp', category: 'Dates and times', codec: timestampCodec },
  { oid: 1184, arrayOid: 1185, name: 'timestamptz', category: 'Dates and times', codec: timestamptzCodec },
  { oid: 1186, arrayOid: 1187, name: 'interval', category: 'Dates and times', codec: intervalCodec },
  { oid: 1266, arrayOid: 1270, name: 'timetz', category: 'Dates and times', codec: timetzCodec },
  { oid: 1560, arrayOid: 1561, name: 'bit', category: 'Text and bytes', codec: bitsCodec },
  { oid: 1562, arrayOid: 1563, name: 'varbit', category: 'Text and bytes', codec: bitsCodec },
  { oid: 1700, arrayOid: 1231, name: 'numeric', category: 'Booleans and numbers', codec: numericCodec },
  { oid: 1790, arrayOid: 2201, name: 'refcursor', category: 'Text and bytes', codec: textCodec },
  { oid: 2202, arrayOid: 2207, name: 'regprocedure', category: 'Object identifiers', codec: oidAliasCodec },
  { oid: 2203, arrayOid: 2208, name: 'regoper', category: 'Object identifiers', codec: oidAliasCodec },
  { oid: 2204, arrayOid: 2209, name: 'regoperator', category: 'Object identifiers', codec: oidAliasCodec },
  { oid: 2205, arrayOid: 2210, name: 'regclass', category: 'Object identifiers', codec: oidAliasCodec },
  { oid: 2206, arrayOid: 2211, name: 'regtype', category: 'Object identifiers', codec: oidAliasCodec },
  { oid: 2950, arrayOid: 2951, name: 'uuid', category: 'Networks and identifiers', codec: uuidCodec },
  { oid: 2970, arrayOid: 2949, name: 'txid_snapshot', category: 'Transactions', codec: snapshotCodec },
  { oid: 3220, arrayOid: 3221, name: 'pg_lsn', category: 'Transactions', codec: lsnCodec },
  { oid: 3361, arrayOid: 0, name: 'pg_ndistinct', category: 'Of the system itself', codec: textOnlyCodec },
  { oid: 3402, arrayOid: 0, name: 'pg_dependencies', category: 'Of the system itself', codec: textOnlyCodec },
  { oid: 3614, arrayOid: 3643, name: 'tsvector', category: 'Text search', codec: tsvectorCodec },
  { oid: 3615, arrayOid: 3645, name: 'tsquery', category: 'Text search', codec: tsqueryCodec },
  { oid: 3642, arrayOid: 3644, name: 'gtsvector', category: 'Text search', codec: textOnlyCodec },
  { oid: 3734, arrayOid: 3735, name: 'regconfig', category: 'Object identifiers', codec: oidAliasCodec },
  { oid: 3769, arrayOid: 3770, name: 'regdictionary', category: 'Object identifiers', codec: oidAliasCodec },
  { oid: 3802, arrayOid: 3807, name: 'jsonb', category: 'JSON and XML', codec: jsonbCodec },
  { oid: 4072, arrayOid: 4073, name: 'jsonpath', category: 'JSON and XML', codec: jsonpathCodec },
  { oid: 4089, arrayOid: 4090, name: 'regnamespace', category: 'Object identifiers', codec: oidAliasCodec },
  { oid: 4096, arrayOid: 4097, name: 'regrole', category: 'Object identifiers', codec: oidAliasCodec },
  { oid: 4191, arrayOid: 4192, name: 'regcollation', category: 'Object identifiers', codec: oidAliasCodec },
  { oid: 4600, arrayOid: 0, name: 'pg_brin_bloom_summary', category: 'Of the system itself', codec: textOnlyCodec },
  {
    oid: 4601,
    arrayOid: 0,
    name: 'pg_brin_minmax_multi_summary',
    category: 'Of the system itself',
    codec: textOnlyCodec,
  },
  { oid: 5017, arrayOid: 0, name: 'pg_mcv_list', category: 'Of the system itself', codec: textOnlyCodec },
  { oid: 5038, arrayOid: 5039, name: 'pg_snapshot', category: 'Transactions', codec: snapshotCodec },
  { oid: 5069, arrayOid: 271, name: 'xid8', category: 'Transactions', codec: xid8Codec },
] as const satisfies readonly BuiltinType[]

/**
 * The ranges of pg_catalog with the type of their bounds, and their multiranges.
 *
 * @see https://github.com/postgres/postgres/blob/master/src/include/catalog/pg_range.dat
 */
export const builtinRanges = [
  {
    oid: 3904,
    arrayOid: 3905,
    name: 'int4range',
    subtypeOid: 23,
    multirange: { oid: 4451, arrayOid: 6150, name: 'int4multirange' },
  },
  {
    oid: 3906,
    arrayOid: 3907,
    name: 'numrange',
    subtypeOid: 1700,
    multirange: { oid: 4532, arrayOid: 6151, name: 'nummultirange' },
  },
  {
    oid: 3908,
    arrayOid: 3909,
    name: 'tsrange',
    subtypeOid: 1114,
    multirange: { oid: 4533, arrayOid: 6152, name: 'tsmultirange' },
  },
  {
    oid: 3910,
    arrayOid: 3911,
    name: 'tstzrange',
    subtypeOid: 1184,
    multirange: { oid: 4534, arrayOid: 6153, name: 'tstzmultirange' },
  },
  {
    oid: 3912,
    arrayOid: 3913,
    name: 'daterange',
    subtypeOid: 1082,
    multirange: { oid: 4535, arrayOid: 6155, name: 'datemultirange' },
  },
  {
    oid: 3926,
    arrayOid: 3927,
    name: 'int8range',
    subtypeOid: 20,
    multirange: { oid: 4536, arrayOid: 6157, name: 'int8multirange' },
  },
] as const
