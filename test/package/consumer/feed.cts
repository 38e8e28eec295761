// The same package from CommonJS.
import walwire = require('walwire')
import decoder = require('walwire/decoder')
import protocol = require('walwire/protocol')
import replication = require('walwire/replication')

async function count(feed: walwire.Feed): Promise<number> {
  let events = 0
  for await (const batch of feed) events += batch.events.length
  return events
}

const empty = new protocol.Framer()
const message = new decoder.PgoutputDecoder({ protoVersion: 1 })
export = { count, empty, message, follow: replication.follow, same: walwire.follow === replication.follow }
