/** What the shop is made of: who buys, where they live, and what there is to buy. */
export const firstNames = [
  ...['Ada', 'Grace', 'Edgar', 'Barbara', 'Donald', 'Frances', 'Michael', 'Radia', 'Jim', 'Hedy', 'Alan', 'Katherine'],
  ...['Niklaus', 'Margaret', 'Edsger', 'Jean', 'Ken', 'Sophie', 'Dennis', 'Annie', 'José', 'Łukasz', 'Chloë', 'Zoë'],
] as const

/** See {@link firstNames}. */
export const lastNames = [
  ...['Lovelace', 'Hopper', 'Codd', 'Liskov', 'Knuth', 'Allen', 'Stonebraker', 'Perlman', 'Gray', 'Lamarr', 'Turing'],
  ...[
    'Johnson',
    'Wirth',
    'Hamilton',
    'Dijkstra',
    'Bartik',
    'Thompson',
    'Wilson',
    'Ritchie',
    'Easley',
    'García',
    'Müller',
  ],
] as const

/** See {@link firstNames}. */
export const cities = ['Oslo', 'Lisboa', 'Zürich', 'Kraków', 'Nairobi', 'Kyoto', 'Montréal', 'Berlin', '東京'] as const

/** The first half of a product's name. */
export const materials = ['Oak', 'Walnut', 'Steel', 'Linen', 'Wool', 'Glass', 'Cork', 'Paper', 'Brass', 'Clay'] as const

/** The other half. */
export const goods = [
  ...['table', 'chair', 'lamp', 'shelf', 'blanket', 'cushion', 'vase', 'clock', 'mirror', 'basket'],
  ...['bench', 'stool', 'tray', 'bowl', 'kettle', 'notebook', 'hook', 'frame', 'mug', 'coat rack'],
] as const

/** Why an order was cancelled. */
export const regrets = ['changed my mind', 'found it cheaper', "it doesn't fit", 'ordered twice', 'too late'] as const
