/**
 * A node of which only the database is there, as a process of its own: `node.ts url URL`, or `node.ts embedded DIRECTORY`.
 * It says what it has done and, with `stay`, stays until it is stopped.
 */
import { Boot } from "@novacron/boot"
import { Context, Effect, Exit } from "effect"
import { component } from "../../src/database/Component.ts"
import { Database } from "../../src/database/Database.ts"
import { security, settings } from "./Surroundings.ts"

const [kind = "", where = "", stay] = process.argv.slice(2)
const components = [
  security(),
  component(settings({ pool: { min: 1, max: 5 }, ...(kind === "url" && { url: where }) }), { dataDir: where })
] as const

const program = Effect.scoped(
  Effect.gen(function* () {
    const { services } = yield* Boot.make(components)
    const { sql, stats } = Context.get(services, Database)
    console.log(`applied ${(yield* stats).migrationsApplied}`)
    if (stay === undefined) return
    yield* sql`CREATE TABLE IF NOT EXISTS kept (n serial)`
    yield* sql`INSERT INTO kept DEFAULT VALUES`
    console.log("up")
    yield* Effect.never
  })
)

const exit = await Effect.runPromiseExit(program)
if (Exit.isFailure(exit)) {
  console.error(String(exit.cause))
  process.exitCode = 1
}
