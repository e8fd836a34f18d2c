/**
 * Who may be started: a component shows that it is the one that was enrolled, each time before it is initialised.
 *
 * **Example**
 *
 * ```ts
 * const measured = parts.map((part) => Admission.measure(part))
 * const admission = yield* Admission.open({ folder: `${dataDir}/security`, nodeId, mode: "require", measured })
 * const running = yield* Boot.make(Admission.guardAll(admission, parts))
 * ```
 *
 * **Details**
 *
 * The first boot enrols: it makes a CA for components and an identity for each of them, below `components` in the folder of
 * keys. After that an identity that is missing, has run out, is of another CA, for another name, or for a program that was
 * measured otherwise, is refused, and what it belongs to is not initialised. When a component has changed and the files of
 * the program are those of a signed list, the signature vouches for the change and a new identity is made. What has less
 * than a third of its life left is renewed after it was accepted.
 *
 * **Gotchas**
 *
 * Identities lie on this machine, readable for the user of the node, as everything does that the process needs without a
 * person: they keep out a program that was changed, and not somebody who is that user.
 */
import { randomBytes } from "node:crypto"
import { Component, Policy, type Recipe } from "@novacron/boot"
import { Clock, Duration, Effect, type FileSystem, Option, Result, Semaphore } from "effect"
import * as Certificates from "./Certificates.ts"
import * as ComponentIdentity from "./ComponentIdentity.ts"
import { digestOf, type Measurement } from "./Measurements.ts"
import * as PrivateFiles from "./PrivateFiles.ts"
import * as Program from "./Program.ts"
import { IdentityRefused, type ProgramTampered } from "./Security.ts"
import type { Settings } from "./Settings.ts"

/** Lets components in, by name. */
export interface Admission {
  readonly admit: (component: string) => Effect.Effect<void, IdentityRefused>
}

/** What {@link open} takes. */
export interface Options {
  /** The folder of keys; the identities lie in `components` below it. */
  readonly folder: string
  readonly nodeId: string
  readonly mode: "off" | "require"
  /** The signed list of the program's files, if there is one: then it is checked. */
  readonly manifest?: string | undefined
  readonly publicKeys?: ReadonlyArray<string>
  /** What was measured of each component, by its name. */
  readonly measured: ReadonlyArray<Measurement>
}

/** Nobody is asked. */
const everybody: Admission = { admit: () => Effect.void }

/** Enrols what there is to enrol, and knows from then on who is who. */
export const open = Effect.fn("Admission.open")(function* ({
  folder,
  manifest,
  measured,
  mode,
  nodeId,
  publicKeys = []
}: Options): Effect.fn.Return<Admission, PrivateFiles.Failure | ProgramTampered, FileSystem.FileSystem> {
  if (mode === "off") return everybody
  const program = manifest === undefined ? undefined : yield* Program.check(manifest, publicKeys)
  yield* PrivateFiles.open(folder)
  const files = yield* PrivateFiles.open(`${folder}/components`)
  const enrolled = yield* files.read(authorityName)
  const authority = Option.isSome(enrolled) ? Buffer.from(enrolled.value).toString() : yield* found(files, nodeId)
  const digests = new Map(measured.map(({ digest, what }) => [what, digest]))
  const mayChange = Option.isNone(enrolled) || program !== undefined

  const make = Effect.fnUntraced(function* (component: string, digest: string) {
    const validity = yield* validFor(identityLife)
    const made = yield* ComponentIdentity.issue(authority, { component, digest, nodeId }, validity)
    yield* files.write(`${component}.pem`, Buffer.from(made.pem))
    return made
  })

  const admit = Effect.fn("Admission.admit")(function* (component: string) {
    const path = files.path(`${component}.pem`)
    const refused = (reason: string, cause?: unknown) => new IdentityRefused({ component, path, reason, cause })
    const unusable = Effect.mapError((cause: { readonly message: string }) => refused("it cannot be read", cause))
    const digest = digests.get(component)
    if (digest === undefined) return yield* refused("nothing was measured of it")
    const present = yield* Effect.map(unusable(files.read(`${component}.pem`)), (content) =>
      Option.map(content, (pem) => ({ component, pem: Buffer.from(pem).toString() }))
    )
    if (Option.isNone(present)) {
      if (!mayChange) return yield* refused("there is none, and components are enrolled at the first boot")
      return void (yield* unusable(make(component, digest)))
    }
    const nowMs = yield* Clock.currentTimeMillis
    const nonce = randomBytes(32)
    const expected = { nodeId, component, digest, authority, nonce, nowMs }
    const reported = ComponentIdentity.report(present.value, nonce)
    const complaint = Result.isFailure(reported)
      ? reported.failure
      : ComponentIdentity.complaint(reported.success, expected)
    const validity = ComponentIdentity.validity(present.value)
    if (complaint === undefined) {
      if (validity !== undefined && Certificates.isAging(nowMs, validity)) yield* unusable(make(component, digest))
      return
    }
    // A signed list vouches for a program that was changed, and for nothing else.
    const before = Result.isSuccess(reported) ? ComponentIdentity.measured(reported.success) : undefined
    if (program === undefined || Result.isFailure(reported) || before === undefined || before === digest) {
      return yield* refused(complaint)
    }
    const stillWrong = ComponentIdentity.complaint(reported.success, { ...expected, digest: before })
    if (stillWrong !== undefined) return yield* refused(stillWrong)
    yield* unusable(make(component, digest))
  })

  // Two attempts of one component write one file.
  const one = Semaphore.makeUnsafe(1)
  return { admit: (component) => one.withPermit(admit(component)) }
})

/**
 * A component that is admitted before each attempt to start it, whichever way it is built. A refusal is never tried again,
 * and ends the boot, unless every failure of the component means less: then it is absent, or its fallback is asked, which
 * is refused too.
 */
export const guard =
  ({ admit }: Admission) =>
  <P, E, N>(component: Component.Component<P, E, N>): Component.Component<P, E, N> =>
    Component.mapRecipe(component, (recipe) => {
      const admitted = (build: Recipe.Build): Recipe.Build => ({
        ...build,
        start: Effect.andThen(admit(recipe.name), build.start),
        table: typeof build.table === "string" ? build.table : { ...build.table, IdentityRefused: "Critical" },
        policy: Policy.perError(build.policy, { ...build.policy.perError, IdentityRefused: Policy.never })
      })
      const [first, ...fallbacks] = recipe.builds
      return { ...recipe, builds: [admitted(first), ...fallbacks.map(admitted)] }
    })

/** All parts of a node, each admitted before it starts. */
export const guardAll = <const Parts extends ReadonlyArray<Component.Any>>(
  admission: Admission,
  parts: Parts
): { readonly [K in keyof Parts]: Parts[K] } =>
  // Each of them is of the type it was; `map` does not say so.
  (admission === everybody ? parts : parts.map(guard(admission))) as { readonly [K in keyof Parts]: Parts[K] }

/**
 * What a boot of these parts stands on: what is measured of it, and who is let in. `version` is that of the settings. When
 * the settings want none of it, nothing is measured, and that takes no time.
 */
export const beneath = Effect.fn("Admission.beneath")(function* (
  parts: () => ReadonlyArray<Component.Any>,
  {
    bootChain: { identities: mode, manifest, publicKeys, root },
    dataDir,
    nodeId,
    version
  }: {
    readonly bootChain: (typeof Settings.Type)["bootChain"]
    readonly dataDir: string
    readonly nodeId: string
    readonly version: () => string
  }
) {
  if (mode === "off" && manifest === undefined && root === "software") return { admission: everybody, measured: [] }
  const measured = parts().map((part) => measure(part))
  const admission = yield* open({ folder: `${dataDir}/security`, nodeId, mode, manifest, publicKeys, measured })
  const components = measured.map(({ digest, what }) => ({ what: `component/${what}`, digest }))
  return { admission, measured: [{ what: "settings", digest: digestOf(version()) }, ...components] }
})

/** What is measured of a component: what it declares, and the files of the program that are its own. */
export const measure = (component: Component.Any, files: ReadonlyMap<string, string> = new Map()): Measurement => {
  const { name, needs, phase, provides, severity } = component.manifest
  const own = [...files].filter(([path]) => path.split("/").includes(name)).map((file) => file.join(" "))
  const declared = JSON.stringify([
    name,
    phase,
    severity,
    provides,
    needs.map(({ key, kind }) => [key, kind]),
    own.toSorted()
  ])
  return { what: name, digest: digestOf(declared) }
}

// ----------------------------------------------------------------------------------------------------------- private

const authorityName = "ca.pem"
const authorityLife = Duration.days(3650)
const identityLife = Duration.days(90)
/** Valid a little before it is made, as certificates of nodes are. */
const leeway = Duration.minutes(5)

const validFor = (life: Duration.Duration) =>
  Effect.map(Clock.currentTimeMillis, (nowMs) => ({
    notBefore: nowMs - Duration.toMillis(leeway),
    notAfter: nowMs + Duration.toMillis(life)
  }))

/** Makes the CA of the components of this node. */
const found = Effect.fnUntraced(function* (files: PrivateFiles.PrivateFiles, nodeId: string) {
  const { make } = yield* Effect.promise(() => import("./CertificateAuthority.ts"))
  const made = yield* make(`Components of ${nodeId}`, yield* validFor(authorityLife))
  yield* files.write(authorityName, Buffer.from(made))
  return made
})
