// Loads every entry point, and prints what each exports.
import * as root from 'walwire'
import * as decoder from 'walwire/decoder'
import * as delivery from 'walwire/delivery'
import * as protocol from 'walwire/protocol'
import * as messages from 'walwire/protocol/messages'
import * as replication from 'walwire/replication'

const entries = { root, decoder, delivery, protocol, messages, replication }
console.log(JSON.stringify(entries, (_, value) => (typeof value === 'object' ? value : typeof value)))
