/*
 * What is recorded: every kind of message that pgoutput of version 1 has, and every kind of type. Small, since each byte
 * of it is kept in version control five times.
 */

/** Extensions whose types are recorded where the server has them. */
export const extensions = ['hstore', 'citext', 'ltree', 'cube', 'isn', 'seg', 'intarray'] as const

/** Types that somebody made, over and inside each other. */
export const madeTypesSql = `
  CREATE TYPE mood AS ENUM ('so-so', 'good', 'a "b", c', 'é😀');
  CREATE DOMAIN share AS int4 CHECK (VALUE >= 0);
  CREATE DOMAIN half AS share;
  CREATE DOMAIN pair AS int4[];
  CREATE TYPE point3 AS (x float8, "y z" numeric, gone int4, "__proto__" text);
  ALTER TYPE point3 DROP ATTRIBUTE gone;
  CREATE TYPE shape AS (name mood, points point3[], home point3, at tstzrange);
  CREATE DOMAIN home AS point3;
  CREATE TYPE floats AS RANGE (subtype = float8);
  CREATE TYPE shares AS RANGE (subtype = half);
  CREATE TYPE texts AS RANGE (subtype = text, collation = "C");`

/** A type as SQL calls it, and literals of it; of each an array is recorded too. */
export const literals: readonly (readonly [type: string, ...literals: string[]])[] = [
  ['bool', 't', 'f'],
  ['int2', '-32768', '32767'],
  ['int4', '-2147483648', '0'],
  ['int8', '-9223372036854775808', '9007199254740993'],
  ['oid', '4294967295'],
  ['float4', '0.1', '-0', 'NaN', 'Infinity', '1e-45', '3.4028235e+38'],
  ['float8', '0.30000000000000004', '-0', 'NaN', '-Infinity', '5e-324', '1.7976931348623157e+308', '1e+15'],
  ['numeric', 'NaN', '-Infinity', '0.00000', '1e40', '-12345678901234567890.12345678901234567890', '10000.0001'],
  ['money', '$1,234.50'],
  ['text', '', 'NULL', '\\N', 'tab\tnewline\nreturn\r\b\f\v\\', 'ünïcödé 日本 😀', `it's "q" {,} (;)`],
  ['varchar(9)', ' ab '],
  ['char(5)', 'ab'],
  ['"char"', 'a', ''],
  ['name', 'Some Name'],
  ['bytea', '\\x', '\\x00ff5c090a0d'],
  ['date', 'infinity', '0044-03-15 BC', '5874897-12-31'],
  ['time', '24:00:00', '00:00:00.000001'],
  ['timetz', '24:00:00-15:59:59', '12:34:56.789+05:30:15'],
  ['timestamp', 'infinity', '294276-12-31 23:59:59.999999', '4713-01-01 00:00:00 BC'],
  ['timestamptz', '-infinity', '2024-03-02 13:05:06.7+00', '0044-03-15 11:22:33+00 BC'],
  ['interval', '-1 years -2 mons +3 days -04:05:06.789', '00:00:00', '178000000 years'],
  ['uuid', '00000000-0000-0000-0000-00000000000a'],
  ['json', '{"b": 1,\n  "a": [1e400, "\\u0000x"]}'],
  ['jsonb', '{"a": 1, "b": 123456789012345678901234567890.10, "c": null}'],
  ['jsonpath', '$."a"[*]?(@ > 1)'],
  ['xml', '<a b="c">d</a>'],
  ['inet', '10.0.0.1', '10.0.0.1/8', '::ffff:1.2.3.4/100'],
  ['cidr', '10.0.0.0/8', '::/0'],
  ['macaddr', '08:00:2b:01:02:03'],
  ['macaddr8', '08:00:2b:01:02:03:04:05'],
  ['bit(3)', '101'],
  ['varbit', '', '0101010101'],
  ['point', '(1.5,-0)'],
  ['line', '{1,-1,0}'],
  ['lseg', '[(1,2),(3,4)]'],
  ['box', '(2,3),(0,1)'],
  ['path', '((1,2),(3,4))', '[(1,2)]'],
  ['polygon', '((1,2),(3,4),(5,6))'],
  ['circle', '<(1,2),3>'],
  ['tsvector', `'a':1A,2 'b c' 'd''e':3B`, ''],
  ['tsquery', `'a':*A & !('b' | 'c') <-> 'd''e'`, ''],
  ['int2vector', '1 2 3', ''],
  ['oidvector', '4294967295 1'],
  ['tid', '(4294967295,65535)'],
  ['xid', '4294967295'],
  ['cid', '7'],
  ['xid8', '18446744073709551615'],
  ['pg_lsn', '16/B374D848'],
  ['txid_snapshot', '10:20:10,14,15'],
  ['pg_snapshot', '10:20:'],
  ['regclass', 'pg_class'],
  ['regtype', 'timestamp with time zone'],
  ['regproc', 'now'],
  ['refcursor', 'a cursor'],
  ['int4range', 'empty', '[1,5)', '(,)', '[3,)'],
  ['int8range', '[-9223372036854775808,9)'],
  ['numrange', '(1.10,2.20]'],
  ['tsrange', '["2026-01-01 00:00:00",infinity]'],
  ['tstzrange', '("2024-01-01 00:00:00+00",)'],
  ['daterange', '[2026-01-01,2026-01-03)'],
  ['int4multirange', '{}', '{[1,3),[5,7)}'],
  ['nummultirange', '{(1.1,2.2],[3,)}'],
  ['tstzmultirange', '{(,"2026-01-01 00:00:00+00")}'],
  ['mood', 'so-so', 'a "b", c'],
  ['share', '5'],
  ['half', '6'],
  ['pair', '[0:1]={1,2}', '{3,NULL}'],
  ['point3', '(1.5,-2.50,"a""b\\\\c")', '(,,)', '(-0,NaN,"")'],
  ['shape', `("so-so","{""(1,2,x)"",NULL}","(,3.0,"" "")","[2026-01-01,)")`, '(,,,)'],
  ['home', '(1,2,3)'],
  ['floats', '[1.5,Infinity)'],
  ['shares', '[1,5)'],
  ['texts', '["a b","c""d")', '(,"")'],
]

/** The same for types of extensions. */
export const extensionLiterals: readonly (readonly [extension: string, type: string, ...literals: string[]])[] = [
  ['hstore', 'hstore', '"a"=>"1", "b c"=>NULL, "d\\"e"=>"f\\\\g"', ''],
  ['citext', 'citext', 'Hello'],
  ['ltree', 'ltree', 'Top.Science.Astronomy', ''],
  ['ltree', 'lquery', '*.Astro*@.!pictures@'],
  ['cube', 'cube', '(1,2),(3,4)', '(0)'],
  ['isn', 'isbn', '978-0-393-04002-9'],
  ['seg', 'seg', '1.5 .. 2.0', '~3'],
  ['intarray', 'query_int', '1&(2|3)'],
]

/** Tables, and what happens to them once both slots are made. Each entry is one transaction. */
export const tablesSql = `
  CREATE TABLE narrow (id int8 PRIMARY KEY, body text, note text);
  ALTER TABLE narrow ALTER body SET STORAGE EXTERNAL;
  CREATE TABLE whole (a int4, b text[], c jsonb);
  ALTER TABLE whole REPLICA IDENTITY FULL;
  CREATE TABLE wide (id int4 PRIMARY KEY, made shape, made_list point3[], enums mood[], ranges floats[], n numeric, t timestamptz);
  CREATE TABLE nothing ();
  CREATE TABLE "odd ""name""" ("__proto__" int4 PRIMARY KEY, "a b" pair);
  CREATE TABLE parts (id int4, v text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
  CREATE TABLE parts_low PARTITION OF parts FOR VALUES FROM (0) TO (10);
  CREATE TABLE parts_high (v text, id int4 NOT NULL);
  ALTER TABLE parts ATTACH PARTITION parts_high FOR VALUES FROM (10) TO (20);`

export const transactions: readonly string[] = [
  `INSERT INTO narrow VALUES (1, 'a', NULL), (2, repeat('x', 2300), 'y'), (-9223372036854775808, '', 'é😀')`,
  `UPDATE narrow SET note = 'changed' WHERE id = 2; UPDATE narrow SET id = 3 WHERE id = 1; DELETE FROM narrow WHERE id = 3`,
  `INSERT INTO whole VALUES (1, '{a,NULL,"NULL"}', '{"a": [1, 2]}'), (2, NULL, 'null');
   UPDATE whole SET a = 3 WHERE a = 1; DELETE FROM whole WHERE a = 2`,
  `INSERT INTO wide VALUES (1, '(good,"{""(1,2,x)"",NULL}","(,3.0,y)","[2026-01-01,)")', '{"(1,2,3)"}', '{so-so,good,NULL}',
     '{"[1.5,2.5)",empty}', 'NaN', 'infinity'), (2, NULL, '[0:1]={NULL,"(1,,)"}', NULL, NULL, '1e30', '2026-01-02 03:04:05.678+00')`,
  `UPDATE wide SET n = -1.50 WHERE id = 1; DELETE FROM wide WHERE id = 2`,
  'INSERT INTO nothing DEFAULT VALUES',
  `INSERT INTO "odd ""name""" VALUES (1, '[0:1]={1,2}'), (2, NULL)`,
  `INSERT INTO parts VALUES (1, 'low'), (11, 'high'); UPDATE parts SET id = 12 WHERE id = 1`,
  `SELECT pg_logical_emit_message(true, 'prefix', 'content é'); INSERT INTO narrow VALUES (7, 'between', NULL);
   SELECT pg_logical_emit_message(true, '', '\\x00ff'::bytea)`,
  `SELECT pg_logical_emit_message(false, 'outside', 'of transactions')`,
  `INSERT INTO narrow VALUES (8, 'before', NULL); ALTER TABLE narrow RENAME note TO remark; ALTER TABLE narrow ADD more int4;
   INSERT INTO narrow VALUES (9, 'after', 'renamed', 4)`,
  'TRUNCATE narrow, whole RESTART IDENTITY CASCADE',
  `SELECT pg_replication_origin_create('elsewhere'); SELECT pg_replication_origin_session_setup('elsewhere')`,
  `SELECT pg_replication_origin_xact_setup('0/77', '2026-01-02 03:04:05+00'); INSERT INTO whole VALUES (9, '{}', '[]')`,
  'SELECT pg_replication_origin_session_reset()',
  `SELECT pg_replication_origin_drop('elsewhere')`,
  `INSERT INTO narrow SELECT n, 'row ' || n, NULL, n FROM generate_series(100, 140) n`,
]
