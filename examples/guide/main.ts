/** The last step of docs/WRITING_A_COMPONENT.md: `npx -y pnpm@12 exec node examples/guide/main.ts`. */
import { Boot, PlanView, Report } from "@novacron/boot"
import { Console, Context, Effect, Result } from "effect"
import { configured, counter, Pages, pages, settings } from "./cache.ts"

const app = [settings, configured, counter, pages] as const

const program = Effect.gen(function* () {
  yield* Console.log(PlanView.toText(Result.getOrThrow(Boot.plan(app))))
  const { report, services } = yield* Boot.make(app)
  yield* Console.log(yield* Context.get(services, Pages).render("/"))
  yield* Console.log(Report.text(yield* report))
})

await Effect.runPromise(Effect.scoped(program))
