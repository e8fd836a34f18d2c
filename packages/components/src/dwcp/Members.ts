/** What the parts of DWCP are to each other, and to whoever looks inside: the door, the six, and the links. */
import type { Group } from "@novacron/dwcp"
import { Context, type Effect } from "effect"

/** What is on its way up, over a door that is open. */
export class Door extends Context.Service<Door, Group.Starting>()("novacron/dwcp/door") {}

/** All of it: what other parts of the node send and take by. The class is in `@novacron/dwcp`, which is loaded later. */
export const Dwcp: Context.Key<Group.Dwcp, Group.Dwcp["Service"]> = Context.Service("novacron/dwcp")

/** One of the six, to look at. */
export interface View {
  readonly status: Effect.Effect<Group.Subsystem.Status>
  /** Fails when it is down. */
  readonly check: Effect.Effect<Group.Subsystem.Status, Group.SubsystemDown>
}

export class Amst extends Context.Service<Amst, View>()("novacron/dwcp/amst") {}
export class Hde extends Context.Service<Hde, View>()("novacron/dwcp/hde") {}
export class Pba extends Context.Service<Pba, View>()("novacron/dwcp/pba") {}
export class Ass extends Context.Service<Ass, View>()("novacron/dwcp/ass") {}
export class Acp extends Context.Service<Acp, View>()("novacron/dwcp/acp") {}
export class Itp extends Context.Service<Itp, View>()("novacron/dwcp/itp") {}
