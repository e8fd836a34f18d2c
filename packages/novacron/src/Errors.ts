/** What can go wrong with the process itself, before and around a boot, and with what it is asked. */
import { lstatSync } from "node:fs"
import { dirname } from "node:path"
import { didYouMean } from "@novacron/config"
import { Data, PlatformError } from "effect"
import { visible } from "./Terminal.ts"

/** The data directory cannot be had. */
export class NodeDirUnusable extends Data.TaggedError("NodeDirUnusable")<{
  readonly path: string
  readonly cause: unknown
}> {
  readonly code = "NVC-3003"
  override get message() {
    return `The data directory ${this.path} cannot be made or used. Nothing can be kept, so nothing was started.`
  }
}

/** The report was asked for and cannot be written. */
export class ReportUnwritable extends Data.TaggedError("ReportUnwritable")<{
  readonly path: string
  /** Whether that was seen in time. */
  readonly beforeBoot: boolean
  readonly cause: unknown
}> {
  readonly code = "NVC-3008"
  override get message() {
    const follows = this.beforeBoot
      ? "Nothing was started."
      : "The boot was not concerned, but whoever waits for it will be."
    return `The report cannot be written to ${this.path}. ${follows}`
  }
}

/** Flags and arguments that a command cannot follow, or that contradict each other. */
export class WrongUsage extends Data.TaggedError("WrongUsage")<{ readonly reason: string }> {
  readonly exitCode = 64
  override get message() {
    return this.reason
  }
}

/** Whether the system says that this user may not: in its own words, or in those of a file system of Effect. */
export const isDenied = (cause: unknown): boolean =>
  cause instanceof PlatformError.PlatformError
    ? cause.reason._tag === "PermissionDenied"
    : cause instanceof Error && "code" in cause && (cause.code === "EACCES" || cause.code === "EPERM")

/** A node, or what it keeps, is for another user: whether one runs there cannot be seen. */
export class WrongUser extends Data.TaggedError("WrongUser")<{ readonly path: string; readonly cause: unknown }> {
  readonly code = "NVC-3030"
  override get message() {
    const owner = ownerOf(this.path)
    const whose = owner === undefined ? "" : ` It belongs to user ${owner}.`
    return `This user may not open ${this.path}.${whose} A node answers its own user alone, and root.`
  }
}

/** Whose a path is, or else the folder before it that others may not look into. */
const ownerOf = (path: string): number | undefined => {
  try {
    return lstatSync(path).uid
  } catch {
    return dirname(path) === path ? undefined : ownerOf(dirname(path))
  }
}

/** The plan of these settings, or the node that was asked, has nobody of that name. */
export class NoSuchComponent extends Data.TaggedError("NoSuchComponent")<{
  readonly name: string
  /** Those that there are, members of groups too. */
  readonly names: ReadonlyArray<string>
}> {
  readonly code = "NVC-3029"
  override get message() {
    const { name, names } = this
    const meant = names.find((one) => one.endsWith(`/${name}`)) ?? didYouMean(name, names)
    const hint = meant === undefined ? "" : ` Did you mean ${meant}?`
    const own = names.filter((one) => !one.includes("/")).join(", ")
    const member = names.find((one) => one.includes("/"))
    const members = member === undefined ? "" : `; members as ${member}`
    return `No component is called "${visible(name, 80)}".${hint} There are ${own === "" ? "none yet" : own}${members}.`
  }
}
