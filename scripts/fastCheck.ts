/**
 * One seed for all properties of a run, so that a run can be repeated and nothing passes or fails by chance.
 * `FC_SEED=7 pnpm test` takes another one, `FC_SEED=random` a new one each time.
 */
import { takeCoverage } from "node:v8"
import { configureGlobal, readConfigureGlobal } from "fast-check"
import { afterAll } from "vitest"

const asked = process.env["FC_SEED"] ?? "20261122"
if (asked !== "random") configureGlobal({ ...readConfigureGlobal(), seed: Number(asked) })

// Workers are ended by a signal, and whoever counts what they have executed would learn of nothing: `scripts/coverage.ts`.
if (process.env["NODE_V8_COVERAGE"] !== undefined) afterAll(takeCoverage)
