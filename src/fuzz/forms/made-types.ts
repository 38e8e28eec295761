/**
 * Types that a database does not have by itself, of every kind that can be made, and made of one another: an enum,
 * domains over a scalar, a domain, an array and a composite, composites that hold each other and whose attributes were
 * dropped or are called to break whoever makes objects of them, ranges over a float, a domain and text.
 */
export const madeTypes: readonly string[] = [
  `CREATE TYPE mood AS ENUM ('so-so', 'good')`,
  'CREATE DOMAIN share AS int4',
  'CREATE DOMAIN deeper AS share CHECK (value > 0)',
  'CREATE DOMAIN pair AS int4[]',
  'CREATE TYPE address AS (a int, b text, c text, d text, e text, f text, g text)',
  'CREATE DOMAIN checked AS address CHECK ((value).a > 0)',
  'CREATE TYPE floats AS RANGE (subtype = float8)',
  'CREATE TYPE shares AS RANGE (subtype = share, multirange_type_name = sharesmulti)',
  'CREATE TYPE words AS RANGE (subtype = text, collation = "C")',
  'CREATE TYPE mood_of AS (now mood, before mood[])',
  'CREATE TYPE item AS (home address, gone int, boxes box[], size floats, part share, price numeric, doc jsonb)',
  'ALTER TYPE item DROP ATTRIBUTE gone',
  'CREATE TYPE hostile AS ("__proto__" text, "a""b" text)',
  'CREATE TYPE nothing AS ()',
  'CREATE TYPE alone AS (a text)',
]

/** Extensions of PostgreSQL that come with types, in the order in which they are made. */
export const extensions: readonly string[] = ['citext', 'hstore', 'ltree', 'cube', 'seg', 'isn', 'intarray']
