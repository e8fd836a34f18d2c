/**
 * The API answers itself once when the boot is ready, over TLS and with a credential like everybody: code that has never run
 * is compiled when it first does, and so are the statements of the database. Whoever asks first does not wait for that.
 *
 * **Details**
 *
 * It happens after READY and costs the boot nothing. What goes wrong with it is nobody's trouble: the next one who asks
 * hears of it.
 */
import { Agent, request } from "node:https"
import { Deferred, Effect, type Scope } from "effect"
import type { LocalAccess } from "./LocalAccess.ts"
import type { NodeView } from "./NodeView.ts"

/** What the first request as a rule is about: the node, and tasks, which are rows of the database. */
const places = ["/v1/node", "/v1/tasks?limit=1"]

/** How long a rehearsal may take. */
const patience = "5 seconds"

/** Rehearses in the background when the view has seen the boot become ready. */
export const whenReady = Effect.fnUntraced(function* (
  access: Pick<typeof LocalAccess.Type, "url" | "serverName" | "ca" | "token">,
  view: NodeView
): Effect.fn.Return<void, never, Scope.Scope> {
  const ready = Deferred.makeUnsafe<void>()
  const unfollow = view.follow(({ _tag }) => {
    if (_tag === "BootReady") Deferred.doneUnsafe(ready, Effect.void)
  })
  yield* Effect.addFinalizer(() => Effect.sync(unfollow))
  const all = Effect.forEach(places, (place) => asked(access, place), { discard: true })
  yield* Effect.forkScoped(
    Effect.andThen(Deferred.await(ready), Effect.ignore(Effect.timeoutOption(Effect.sandbox(all), patience)))
  )
})

/** Completes with the end of the answer, whatever it says. */
const asked = ({ ca, serverName, token, url }: Parameters<typeof whenReady>[0], place: string): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const agent = new Agent({ keepAlive: false, ca, servername: serverName })
    const asking = request(`${url}${place}`, { agent, headers: { authorization: `Bearer ${token}` } }, (response) => {
      response.resume().once("close", () => resume(Effect.void))
    })
    asking.once("error", () => resume(Effect.void)).end()
    return Effect.sync(() => void asking.destroy())
  })
