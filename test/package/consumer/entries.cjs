// The same as entries.mjs by require.
const entries = {
  root: require('walwire'),
  decoder: require('walwire/decoder'),
  delivery: require('walwire/delivery'),
  protocol: require('walwire/protocol'),
  messages: require('walwire/protocol/messages'),
  replication: require('walwire/replication'),
}
console.log(JSON.stringify(entries, (_, value) => (typeof value === 'object' ? value : typeof value)))
