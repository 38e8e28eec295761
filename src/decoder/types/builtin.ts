/** How the text of a built-in type is read: see the readers in registry.ts. */
export type TextForm =
  | 'bool'
  | 'bytea'
  | 'char'
  | 'integer'
  | 'int8'
  | 'float'
  | 'json'
  /** A string of any characters. */
  | 'text'
  /** A string which has none but ASCII characters. */
  | 'ascii'

/**
 * Every type of pg_catalog that a column can have, as PostgreSQL 14 to 18 know them alike: OID, OID of its array type
 * (0 where it has none), name, form. Row types of the system's own tables are left to the catalog.
 * A test compares this with pg_type.
 *
 * @see https://github.com/postgres/postgres/blob/master/src/include/catalog/pg_type.dat
 */
export const builtinTypes = [
  [16, 1000, 'bool', 'bool'],
  [17, 1001, 'bytea', 'bytea'],
  [18, 1002, 'char', 'char'],
  [19, 1003, 'name', 'text'],
  [20, 1016, 'int8', 'int8'],
  [21, 1005, 'int2', 'integer'],
  [22, 1006, 'int2vector', 'ascii'],
  [23, 1007, 'int4', 'integer'],
  [24, 1008, 'regproc', 'text'],
  [25, 1009, 'text', 'text'],
  [26, 1028, 'oid', 'integer'],
  [27, 1010, 'tid', 'ascii'],
  [28, 1011, 'xid', 'ascii'],
  [29, 1012, 'cid', 'ascii'],
  [30, 1013, 'oidvector', 'ascii'],
  [114, 199, 'json', 'json'],
  [142, 143, 'xml', 'text'],
  [194, 0, 'pg_node_tree', 'text'],
  [600, 1017, 'point', 'ascii'],
  [601, 1018, 'lseg', 'ascii'],
  [602, 1019, 'path', 'ascii'],
  [603, 1020, 'box', 'ascii'],
  [604, 1027, 'polygon', 'ascii'],
  [628, 629, 'line', 'ascii'],
  [650, 651, 'cidr', 'ascii'],
  [700, 1021, 'float4', 'float'],
  [701, 1022, 'float8', 'float'],
  [718, 719, 'circle', 'ascii'],
  [774, 775, 'macaddr8', 'ascii'],
  [790, 791, 'money', 'text'],
  [829, 1040, 'macaddr', 'ascii'],
  [869, 1041, 'inet', 'ascii'],
  [1033, 1034, 'aclitem', 'text'],
  [1042, 1014, 'bpchar', 'text'],
  [1043, 1015, 'varchar', 'text'],
  [1082, 1182, 'date', 'ascii'],
  [1083, 1183, 'time', 'ascii'],
  [1114, 1115, 'timestamp', 'ascii'],
  [1184, 1185, 'timestamptz', 'ascii'],
  [1186, 1187, 'interval', 'ascii'],
  [1266, 1270, 'timetz', 'ascii'],
  [1560, 1561, 'bit', 'ascii'],
  [1562, 1563, 'varbit', 'ascii'],
  [1700, 1231, 'numeric', 'ascii'],
  [1790, 2201, 'refcursor', 'text'],
  [2202, 2207, 'regprocedure', 'text'],
  [2203, 2208, 'regoper', 'text'],
  [2204, 2209, 'regoperator', 'text'],
  [2205, 2210, 'regclass', 'text'],
  [2206, 2211, 'regtype', 'text'],
  [2950, 2951, 'uuid', 'ascii'],
  [2970, 2949, 'txid_snapshot', 'ascii'],
  [3220, 3221, 'pg_lsn', 'ascii'],
  [3361, 0, 'pg_ndistinct', 'text'],
  [3402, 0, 'pg_dependencies', 'text'],
  [3614, 3643, 'tsvector', 'text'],
  [3615, 3645, 'tsquery', 'text'],
  [3642, 3644, 'gtsvector', 'text'],
  [3734, 3735, 'regconfig', 'text'],
  [3769, 3770, 'regdictionary', 'text'],
  [3802, 3807, 'jsonb', 'json'],
  [3904, 3905, 'int4range', 'ascii'],
  [3906, 3907, 'numrange', 'ascii'],
  [3908, 3909, 'tsrange', 'ascii'],
  [3910, 3911, 'tstzrange', 'ascii'],
  [3912, 3913, 'daterange', 'ascii'],
  [3926, 3927, 'int8range', 'ascii'],
  [4072, 4073, 'jsonpath', 'text'],
  [4089, 4090, 'regnamespace', 'text'],
  [4096, 4097, 'regrole', 'text'],
  [4191, 4192, 'regcollation', 'text'],
  [4451, 6150, 'int4multirange', 'ascii'],
  [4532, 6151, 'nummultirange', 'ascii'],
  [4533, 6152, 'tsmultirange', 'ascii'],
  [4534, 6153, 'tstzmultirange', 'ascii'],
  [4535, 6155, 'datemultirange', 'ascii'],
  [4536, 6157, 'int8multirange', 'ascii'],
  [4600, 0, 'pg_brin_bloom_summary', 'text'],
  [4601, 0, 'pg_brin_minmax_multi_summary', 'text'],
  [5017, 0, 'pg_mcv_list', 'text'],
  [5038, 5039, 'pg_snapshot', 'ascii'],
  [5069, 271, 'xid8', 'ascii'],
] as const satisfies readonly (readonly [oid: number, arrayOid: number, name: string, form: TextForm])[]

/** An entry of {@link builtinTypes}. */
export type BuiltinType = (typeof builtinTypes)[number]

/** The delimiter between the elements of an array is a comma but for this type (`pg_type.typdelim`). */
export const semicolonDelimited = 603
