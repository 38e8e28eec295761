import fc from 'fast-check'

// loaded before each test file where WALWIRE_PROPERTY_SEED is set: the seed that a failure's report has
fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(process.env.WALWIRE_PROPERTY_SEED) })
