/**
 * One seed for all properties of a run, so that a run can be repeated and nothing passes or fails by chance.
 * `FC_SEED=7 pnpm test` takes another one, `FC_SEED=random` a new one each time.
 */
import { configureGlobal, readConfigureGlobal } from "fast-check"

const asked = process.env["FC_SEED"] ?? "20261122"
if (asked !== "random") configureGlobal({ ...readConfigureGlobal(), seed: Number(asked) })
