/**
 * Runs virtual machines: one QEMU for each attempt, which ends when its guest is switched off.
 *
 * **Details**
 *
 * What the guest says on its first serial line is what the task prints; what QEMU has to say comes on `stderr`. To stop it,
 * the button of the machine is pressed, again and again until the grace is over, for a guest that is still starting misses
 * it; then QEMU is killed. It exits with 0 when the guest switches off, with 1 when the guest says that it panics (pvpanic),
 * and with 2n + 1 when the guest writes n to port 0xf4 (isa-debug-exit): that is how a guest says that it has failed. A
 * guest that restarts goes on.
 *
 * **Gotchas**
 *
 * QEMU runs as the user of tasks, who has to be allowed to read the kernel and the disks, and to write disks that are not
 * read-only. It needs memory of its own besides that of the guest, for which room is left in its limit
 * ({@link ownMemory}) and not on the node.
 */
import { accessSync, chownSync, constants, existsSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs"
import { access } from "node:fs/promises"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import type { Tasks } from "@novacron/api"
import { Duration, Effect, type Scope } from "effect"
import { CannotStart, type Host, type Run, type Running, vmLabel } from "./Driver.ts"
import type { Programs } from "./Programs.ts"
import * as Qmp from "./Qmp.ts"
import type { Settings } from "./Settings.ts"

type VmSpec = typeof Tasks.VmSpec.Type

export interface VmDriver {
  /** With what machines are run here, if any: a sentence for people. */
  readonly limits: string
  /** {@link vmLabel}, where machines can be run. */
  readonly labels: { readonly [name: string]: string }
  readonly start: (run: Run, spec: VmSpec) => Effect.Effect<Running, CannotStart>
}

export const make = (settings: Settings, programs: Programs, host: Host): Effect.Effect<VmDriver, never, Scope.Scope> =>
  Effect.gen(function* () {
    const qemu = find(settings.vm.program ?? emulator, settings.process.path)
    if (qemu === undefined) return absent
    clearAway()
    const accelerator = settings.vm.accelerator === "auto" ? fastest(programs) : settings.vm.accelerator
    let folder: string | undefined
    let machines = 0
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => folder !== undefined && rmSync(folder, { recursive: true, force: true }))
    )
    return {
      limits: `Virtual machines run on QEMU with ${accelerator === "kvm" ? "KVM" : "emulated processors (TCG)"}.`,
      labels: { [vmLabel.name]: vmLabel.value },
      start: Effect.fnUntraced(function* (run, spec) {
        yield* Effect.forEach(filesOf(spec), isThere, { discard: true })
        folder ??= yield* sockets(programs, host)
        const monitor = join(folder, String(++machines))
        const command = [qemu, ...argumentsOf(run, spec, accelerator, monitor)]
        const running = yield* programs.start(run, { command, ownMemory })
        // QEMU removes its socket when it ends by itself, and not when it is killed or its guest says that it has failed.
        const cleared = (ending: Running["ended"]) =>
          Effect.tap(ending, () => Effect.sync(() => rmSync(monitor, { force: true })))
        return {
          ended: cleared(running.ended),
          stop: (graceMs) => cleared(switchOff(running, monitor, graceMs))
        }
      })
    }
  })

/** MiB that QEMU may use besides the memory of its guest; most of it is what emulated processors have translated. */
const ownMemory = 512

const emulator = "qemu-system-x86_64"

const absent: VmDriver = {
  limits: `There is no ${emulator}: no virtual machines here.`,
  labels: {},
  start: () => new CannotStart({ program: emulator, problem: "it is not installed on this node" })
}

// -------------------------------------------------------------------------------------------------------- the machine

/** What QEMU is told, by name: `["smp", "2"]` is `-smp 2`. */
type Told = ReadonlyArray<readonly [name: string, value: string]>

const argumentsOf = (run: Run, spec: VmSpec, accelerator: "kvm" | "tcg", monitor: string): ReadonlyArray<string> => {
  const told = [...machine(run, accelerator), ...talk(monitor), ...origin(spec), ...devices(spec)]
  return ["-nodefaults", "-no-user-config", ...told.flatMap(([name, value]) => [`-${name}`, value])]
}

const machine = ({ submission, task }: Run, accelerator: "kvm" | "tcg"): Told => {
  const { cpu, memory } = submission.demand ?? { cpu: 1, memory: 16 }
  const isEmulated = accelerator === "tcg"
  return [
    ["name", `guest=${task}`],
    ["sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"],
    ["machine", "q35"],
    ["smp", String(Math.ceil(cpu))],
    ["m", String(Math.floor(memory))],
    ["accel", isEmulated ? "tcg,tb-size=128" : "kvm"],
    // Emulated, it is one that every x86-64-v2 guest knows: all that there is would take almost twice as long.
    ["cpu", isEmulated ? "Nehalem" : "host"],
    ["device", "virtio-rng-pci"],
    ["device", "isa-debug-exit,iobase=0xf4,iosize=0x04"],
    ["device", "pvpanic"],
    ["action", "panic=exit-failure"],
    ["display", "none"]
  ]
}

/** The serial line is its output; the monitor is for the button. */
const talk = (monitor: string): Told => [
  ["chardev", "stdio,id=serial,signal=off"],
  ["serial", "chardev:serial"],
  ["chardev", `socket,id=monitor,server=on,wait=off,path=${quoted(monitor)}`],
  ["mon", "chardev=monitor,mode=control"]
]

const origin = ({ commandLine, initrd, kernel }: VmSpec): Told =>
  [["kernel", kernel] as const, ["initrd", initrd] as const, ["append", commandLine] as const].flatMap(
    ([name, value]) => (value === undefined ? [] : [[name, value] as const])
  )

const devices = ({ disks = [], network = "none" }: VmSpec): Told => [
  ...disks.flatMap(({ format, path, readOnly = false }, i): Told => {
    const file = { driver: "file", filename: path }
    const block = { driver: format, "node-name": `disk${i}`, "read-only": readOnly, file }
    return [
      ["blockdev", JSON.stringify(block)],
      ["device", `virtio-blk-pci,drive=disk${i},bootindex=${i}`]
    ]
  }),
  ...(network === "user" ? outside : inside)
]

const inside: Told = [["nic", "none"]]
/** Without the firmware that would start the machine over the network. */
const outside: Told = [
  ["netdev", "user,id=net"],
  ["device", "virtio-net-pci,netdev=net,romfile="]
]

const filesOf = ({ disks = [], initrd, kernel }: VmSpec): ReadonlyArray<string> =>
  [kernel, initrd, ...disks.map(({ path }) => path)].filter((path) => path !== undefined)

/** Asked without keeping the node waiting: what is there may be on another machine. */
const isThere = (path: string): Effect.Effect<void, CannotStart> =>
  Effect.tryPromise({
    try: () => access(path),
    catch: () => new CannotStart({ program: path, problem: "there is no such file" })
  })

/** A comma ends a value in the language of QEMU's options, and two are one. */
const quoted = (value: string): string => value.replaceAll(",", ",,")

// --------------------------------------------------------------------------------------------------------- the button

/** How often the button is pressed. */
const pressing = Duration.seconds(1)

const switchOff = (running: Running, monitor: string, graceMs: number) => {
  if (graceMs <= 0) return running.stop(0)
  const press = Effect.ignore(Qmp.tell(monitor, "system_powerdown"))
  const waiting = Effect.raceFirst(running.ended, Effect.forever(Effect.andThen(press, Effect.sleep(pressing))))
  return Effect.timeoutOrElse(waiting, { duration: graceMs, orElse: () => running.stop(0) })
}

// ------------------------------------------------------------------------------------------------------------ the node

/** A program by its path, or by its name in one of the folders. */
const find = (program: string, path: string): string | undefined =>
  (program.includes("/") ? [program] : path.split(delimiter).map((folder) => join(folder, program))).find((file) =>
    may(() => accessSync(file, constants.X_OK))
  )

/** KVM where the user of tasks may use it, and where it is the real one: `kvm_pvm` runs no guest that does not know it. */
const fastest = (programs: Programs): "kvm" | "tcg" =>
  mayUse("/dev/kvm", programs) && !existsSync("/sys/module/kvm_pvm") ? "kvm" : "tcg"

const mayUse = (device: string, { gid, uid }: Programs): boolean => {
  if (uid === undefined) return may(() => accessSync(device, constants.R_OK | constants.W_OK))
  const found = statSync(device, { throwIfNoEntry: false })
  if (found === undefined) return false
  const bits = uid === found.uid ? 0o600 : gid === found.gid ? 0o060 : 0o006
  return (found.mode & bits) === bits
}

/** Removes what nodes have left that were killed. What cannot be read or removed does no harm. */
const clearAway = (): boolean =>
  may(() => {
    for (const name of readdirSync(tmpdir())) {
      const [, owner] = /^novacron-vms-(\d+)-/.exec(name) ?? []
      if (owner === undefined || existsSync(`/proc/${owner}`)) continue
      may(() => rmSync(join(tmpdir(), name), { recursive: true }))
    }
  })

/** A folder for the sockets of the monitors, of the user of tasks. */
const sockets = ({ gid, uid }: Programs, { pid }: Host): Effect.Effect<string, CannotStart> =>
  Effect.try({
    try: () => {
      const folder = mkdtempSync(join(tmpdir(), `novacron-vms-${pid}-`))
      if (uid !== undefined) chownSync(folder, uid, gid ?? uid)
      return folder
    },
    catch: (cause) =>
      new CannotStart({ program: emulator, problem: `there is no place for its socket (${(cause as Error).message})` })
  })

const may = (act: () => unknown): boolean => {
  try {
    act()
    return true
  } catch {
    return false
  }
}
