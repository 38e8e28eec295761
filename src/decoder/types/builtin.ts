import { boolCodec } from './bool.ts'
import { byteaCodec } from './bytea.ts'
import type { Codec } from './codec.ts'
import { float4Codec, float8Codec } from './float.ts'
import { int2Codec, int4Codec, int8Codec, oidCodec } from './integer.ts'
import { jsonbCodec, jsonCodec } from './json.ts'
import { asciiOnlyCodec, charCodec, textCodec, textOnlyCodec } from './string.ts'

/**
 * Every type of pg_catalog that a column can have, as PostgreSQL 14 to 18 know them alike: OID, OID of its array type
 * (0 where it has none), name, codec. Row types of the system's own tables are left to the catalog.
 * A test compares this with pg_type.
 *
 * @see https://github.com/postgres/postgres/blob/master/src/include/catalog/pg_type.dat
 */
export const builtinTypes = [
  [16, 1000, 'bool', boolCodec],
  [17, 1001, 'bytea', byteaCodec],
  [18, 1002, 'char', charCodec],
  [19, 1003, 'name', textCodec],
  [20, 1016, 'int8', int8Codec],
  [21, 1005, 'int2', int2Codec],
  [22, 1006, 'int2vector', asciiOnlyCodec],
  [23, 1007, 'int4', int4Codec],
  [24, 1008, 'regproc', textOnlyCodec],
  [25, 1009, 'text', textCodec],
  [26, 1028, 'oid', oidCodec],
  [27, 1010, 'tid', asciiOnlyCodec],
  [28, 1011, 'xid', asciiOnlyCodec],
  [29, 1012, 'cid', asciiOnlyCodec],
  [30, 1013, 'oidvector', asciiOnlyCodec],
  [114, 199, 'json', jsonCodec],
  [142, 143, 'xml', textCodec],
  [194, 0, 'pg_node_tree', textCodec],
  [600, 1017, 'point', asciiOnlyCodec],
  [601, 1018, 'lseg', asciiOnlyCodec],
  [602, 1019, 'path', asciiOnlyCodec],
  [603, 1020, 'box', asciiOnlyCodec],
  [604, 1027, 'polygon', asciiOnlyCodec],
  [628, 629, 'line', asciiOnlyCodec],
  [650, 651, 'cidr', asciiOnlyCodec],
  [700, 1021, 'float4', float4Codec],
  [701, 1022, 'float8', float8Codec],
  [718, 719, 'circle', asciiOnlyCodec],
  [774, 775, 'macaddr8', asciiOnlyCodec],
  [790, 791, 'money', textOnlyCodec],
  [829, 1040, 'macaddr', asciiOnlyCodec],
  [869, 1041, 'inet', asciiOnlyCodec],
  [1033, 1034, 'aclitem', textOnlyCodec],
  [1042, 1014, 'bpchar', textCodec],
  [1043, 1015, 'varchar', textCodec],
  [1082, 1182, 'date', asciiOnlyCodec],
  [1083, 1183, 'time', asciiOnlyCodec],
  [1114, 1115, 'timestamp', asciiOnlyCodec],
  [1184, 1185, 'timestamptz', asciiOnlyCodec],
  [1186, 1187, 'interval', asciiOnlyCodec],
  [1266, 1270, 'timetz', asciiOnlyCodec],
  [1560, 1561, 'bit', asciiOnlyCodec],
  [1562, 1563, 'varbit', asciiOnlyCodec],
  [1700, 1231, 'numeric', asciiOnlyCodec],
  [1790, 2201, 'refcursor', textCodec],
  [2202, 2207, 'regprocedure', textOnlyCodec],
  [2203, 2208, 'regoper', textOnlyCodec],
  [2204, 2209, 'regoperator', textOnlyCodec],
  [2205, 2210, 'regclass', textOnlyCodec],
  [2206, 2211, 'regtype', textOnlyCodec],
  [2950, 2951, 'uuid', asciiOnlyCodec],
  [2970, 2949, 'txid_snapshot', asciiOnlyCodec],
  [3220, 3221, 'pg_lsn', asciiOnlyCodec],
  [3361, 0, 'pg_ndistinct', textOnlyCodec],
  [3402, 0, 'pg_dependencies', textOnlyCodec],
  [3614, 3643, 'tsvector', textOnlyCodec],
  [3615, 3645, 'tsquery', textOnlyCodec],
  [3642, 3644, 'gtsvector', textOnlyCodec],
  [3734, 3735, 'regconfig', textOnlyCodec],
  [3769, 3770, 'regdictionary', textOnlyCodec],
  [3802, 3807, 'jsonb', jsonbCodec],
  [3904, 3905, 'int4range', asciiOnlyCodec],
  [3906, 3907, 'numrange', asciiOnlyCodec],
  [3908, 3909, 'tsrange', asciiOnlyCodec],
  [3910, 3911, 'tstzrange', asciiOnlyCodec],
  [3912, 3913, 'daterange', asciiOnlyCodec],
  [3926, 3927, 'int8range', asciiOnlyCodec],
  [4072, 4073, 'jsonpath', textOnlyCodec],
  [4089, 4090, 'regnamespace', textOnlyCodec],
  [4096, 4097, 'regrole', textOnlyCodec],
  [4191, 4192, 'regcollation', textOnlyCodec],
  [4451, 6150, 'int4multirange', asciiOnlyCodec],
  [4532, 6151, 'nummultirange', asciiOnlyCodec],
  [4533, 6152, 'tsmultirange', asciiOnlyCodec],
  [4534, 6153, 'tstzmultirange', asciiOnlyCodec],
  [4535, 6155, 'datemultirange', asciiOnlyCodec],
  [4536, 6157, 'int8multirange', asciiOnlyCodec],
  [4600, 0, 'pg_brin_bloom_summary', textOnlyCodec],
  [4601, 0, 'pg_brin_minmax_multi_summary', textOnlyCodec],
  [5017, 0, 'pg_mcv_list', textOnlyCodec],
  [5038, 5039, 'pg_snapshot', asciiOnlyCodec],
  [5069, 271, 'xid8', asciiOnlyCodec],
] as const satisfies readonly (readonly [oid: number, arrayOid: number, name: string, codec: Codec])[]

/** An entry of {@link builtinTypes}. */
export type BuiltinType = (typeof builtinTypes)[number]

/** The delimiter between the elements of an array is a comma but for this type (`pg_type.typdelim`). */
export const semicolonDelimited = 603
