import { setTimeout as delay } from 'node:timers/promises'
import type { Chance } from '../end-to-end/random.ts'
import type { TestServer } from '../server/server.ts'
import type { Deployment } from './deployment.ts'
import { holdSlot } from './foreign-walsender.ts'
import type { Ending, Network } from './network.ts'
import { slot } from './shop.ts'

/** What a fault can strike. */
export interface Scene {
  readonly server: TestServer
  /** Asks the server, as superuser and past the proxy; the first value, as text. */
  readonly ask: (sql: string) => Promise<string>
  readonly network: Network
  readonly deployment: Deployment
}

/** Strikes, and undoes what must be undone. @returns whether there was something to strike */
export type Strike = (scene: Scene) => Promise<boolean>

/** What a kind of fault is this time: decided when it is dealt, whatever the scene is by then. */
export type Fault = (chance: Chance) => Strike

/** More than the messages of a walsender that sleeps, and less than it sends in a second. */
const mostBytes = 60_000
const patienceMs = 2000
/** Behind the server's wal_sender_timeout, and the follower's. */
const longStallMs = 6000

/** Every kind of fault, by its name. */
export const faults = {
  'follower killed': (chance) => {
    const pauseMs = chance.between(0, 800)
    return async ({ deployment }) => {
      await deployment.killed()
      await delay(pauseMs)
      await deployment.start()
      return true
    }
  },
  'follower stopped for a while': (chance) => {
    const forMs = chance.happens(0.25) ? longStallMs : chance.between(50, 2500)
    return async ({ deployment }) => {
      deployment.signal('SIGSTOP')
      await delay(forMs)
      deployment.signal('SIGCONT')
      return true
    }
  },
  'slow consumer': (chance) => {
    const turns = chance.between(10, 30)
    return async ({ deployment }) => {
      for (let turn = 0; turn < turns; turn++) {
        deployment.signal('SIGSTOP')
        await delay(90)
        deployment.signal('SIGCONT')
        await delay(10)
      }
      return true
    }
  },
  'rolling deployment': (chance) => {
    const overlapMs = chance.between(0, 1500)
    const how = chance.happens(0.7) ? 'SIGTERM' : 'SIGKILL'
    return async ({ deployment }) => {
      await deployment.roll(how, overlapMs)
      return true
    }
  },
  'second follower':
    () =>
    async ({ deployment }) => {
      await deployment.refuseSecond()
      return true
    },
  'follower without the checkpoint':
    () =>
    async ({ deployment }) => {
      await deployment.refuseStranger()
      return true
    },
  'walsender terminated': () => (scene) => end(scene, 'pg_terminate_backend', 'walsender'),
  'walsender cancelled': () => (scene) => end(scene, 'pg_cancel_backend', 'walsender'),
  'backend terminated': () => (scene) => end(scene, 'pg_terminate_backend', 'client backend'),
  'server stopped immediately': (chance) => restart('immediate', chance.between(0, 1000)),
  'server stopped fast': (chance) => restart('fast', chance.between(0, 1000)),
  'slot taken by another': (chance) => {
    const forMs = chance.between(200, 3000)
    return async ({ server, ask, deployment }) => {
      // the moment in which nobody has it is the follower's as well as the other's
      await deployment.killed()
      const held = await holdSlot(server.uri(deployment.database), slot, () => ask(terminate('walsender')))
      await deployment.start()
      await delay(forMs)
      held?.destroy()
      return held !== undefined
    }
  },
  'cut to the client': (chance) => {
    const [bytes, ending] = [chance.between(0, mostBytes), chance.oneOf<Ending>(['close', 'reset'])]
    return ({ network }) => network.cutAfter('to-client', bytes, ending, patienceMs)
  },
  'cut to the server': (chance) => {
    const [bytes, ending] = [chance.between(0, 300), chance.oneOf<Ending>(['close', 'reset'])]
    return ({ network }) => network.cutAfter('to-server', bytes, ending, patienceMs)
  },
  'connections reset':
    () =>
    async ({ network }) =>
      network.endAll('reset') > 0,
  'cut, and cut again while it goes on': (chance) => {
    const cuts = Array.from({ length: 4 }, () => chance.between(0, 2500))
    return async ({ network }) => {
      let struck = network.endAll('close') > 0
      for (const bytes of cuts) struck = (await network.cutAfter('to-client', bytes, 'close', patienceMs)) && struck
      return struck
    }
  },
  'bytes swallowed': (chance) => {
    const all = chance.happens(0.5)
    const bytes = chance.between(0, mostBytes)
    return async ({ network }) => {
      if (all) return network.endAll('swallow') > 0
      return await network.cutAfter('to-client', bytes, 'swallow', patienceMs)
    }
  },
  'network stalled': (chance) => {
    const forMs = chance.happens(0.25) ? longStallMs : chance.between(50, 2000)
    return async ({ network }) => {
      network.stall()
      await delay(forMs)
      network.letGo()
      return true
    }
  },
  'nobody reachable': (chance) => {
    const forMs = chance.between(50, 3000)
    return async ({ network }) => {
      network.refuse()
      network.endAll('reset')
      await delay(forMs)
      network.letGo()
      return true
    }
  },
} as const satisfies Readonly<Record<string, Fault>>

export type FaultKind = keyof typeof faults

export function isFaultKind(name: string): name is FaultKind {
  return name in faults
}

function restart(mode: 'immediate' | 'fast', downMs: number): Strike {
  return async ({ server }) => {
    await server.stop(mode)
    await delay(downMs)
    await server.start()
    return true
  }
}

/** All that a follower has on the server of one kind. */
function terminate(kind: string, how = 'pg_terminate_backend'): string {
  return `SELECT count(${how}(pid)) FROM pg_stat_activity
    WHERE application_name = 'torture' AND backend_type = '${kind}'`
}

async function end({ ask }: Scene, how: string, kind: string): Promise<boolean> {
  return Number(await ask(terminate(kind, how))) > 0
}
