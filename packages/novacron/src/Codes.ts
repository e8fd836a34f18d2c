/**
 * The errors that can keep a node from coming up, by tag: their code, what the process exits with, the setting to look
 * at, and what to do now. The code leads to the runbook: `novacron explain CODE`.
 *
 * **Details**
 *
 * Events and reports carry errors as tag and message. This is the one place that knows the rest; a test holds that it
 * agrees with the classes, and that every code has a runbook.
 */
import type { Report } from "@novacron/boot/model"
import { type Code, parts } from "./PartCodes.ts"

/** By tag of the error. */
export const codes: { readonly [tag: string]: Code } = {
  ...parts,
  // -------------------------------------------------------------------------------------------------- the process
  AlreadyRunning: {
    code: "NVC-3001",
    exit: 73,
    setting: "system.data_dir",
    remedy: "novacron status shows the node that runs; stop it first, or give this one a data_dir of its own"
  },
  NodeDirUnusable: {
    code: "NVC-3003",
    exit: 73,
    setting: "system.data_dir",
    remedy: "make the directory writable for the user of this node, or choose another one"
  },
  ControlSocketFailed: {
    code: "NVC-3004",
    exit: 73,
    setting: "system.data_dir",
    remedy: "is the data directory on a file system that can hold sockets, and may this user write to it?"
  },
  TimedOut: {
    code: "NVC-3005",
    exit: 69,
    remedy: "does what it waits for answer? if it only needs longer, raise its timeout"
  },
  Defect: {
    code: "NVC-3006",
    exit: 70,
    remedy: "this is a bug: keep the log with its stack and the report, and tell the maintainers"
  },
  NoNode: {
    code: "NVC-3007",
    exit: 69,
    setting: "system.data_dir",
    remedy: "if none runs, novacron boot starts one; --data-dir names the data directory of one that does"
  },
  ReportUnwritable: {
    code: "NVC-3008",
    exit: 73,
    remedy: "name a file in a directory that exists and that this user may write"
  },
  InvalidBoot: {
    code: "NVC-3009",
    exit: 70,
    remedy: "this is a bug of the composition: novacron plan shows the graph"
  },
  Refused: {
    code: "NVC-3010",
    exit: 69,
    remedy: "put right what it says; novacron status shows the node, novacron why NAME one component of it"
  },
  DashboardUnavailable: {
    code: "NVC-2901",
    exit: 73,
    setting: "dashboard.host",
    remedy: "listen on 127.0.0.1, or on an address of this machine with a certificate to show"
  },
  MetricsPortUnavailable: {
    code: "NVC-2501",
    exit: 73,
    setting: "monitoring.port",
    remedy: "stop what listens there, or set monitoring.port"
  },
  // ----------------------------------------------------------------------------------- the protocol between nodes
  FrameRefused: {
    code: "NVC-4101",
    exit: 65,
    remedy: "update the older side, or find out who talks to this port"
  },
  PeerLost: {
    code: "NVC-4102",
    exit: 69,
    remedy: "is novacron dwcp serve running there? is the port open?"
  },
  TransferRefused: {
    code: "NVC-4103",
    exit: 73,
    remedy: "the reason says what the other side wants: room, another name, the same file"
  },
  FileUnavailable: {
    code: "NVC-4104",
    exit: 73,
    remedy: "the reason says what it is: the path, the permissions, the free space, somebody who writes to it"
  },
  ListenFailed: {
    code: "NVC-4105",
    exit: 73,
    remedy: "stop what listens there, or choose another port"
  },
  LinkClosed: {
    code: "NVC-4106",
    exit: 69,
    remedy: "send it again: it goes on where it was"
  },
  Misused: {
    code: "NVC-4107",
    exit: 64,
    remedy: "the same command with --help says what it takes"
  },
  TlsRefused: {
    code: "NVC-4108",
    exit: 77,
    remedy: "--ca with what signed its certificate; HOST as a name in that certificate"
  },
  HdeCorrupt: {
    code: "NVC-4201",
    exit: 65,
    remedy: "ask the sender for it again, or restore it"
  },
  BaselineMismatch: {
    code: "NVC-4202",
    exit: 65,
    remedy: "give the base that it was encoded against: --base FILE"
  },
  TooLarge: {
    code: "NVC-4203",
    exit: 65,
    remedy: "it is no frame, or larger than this node accepts"
  },
  HdeUnavailable: {
    code: "NVC-4204",
    exit: 73,
    remedy: "look at the cause: free space, permissions, a file that is not there"
  },
  BadSeries: {
    code: "NVC-4301",
    exit: 65,
    remedy: "check the path and the file"
  },
  BadModel: {
    code: "NVC-4302",
    exit: 65,
    remedy: "name a model that this version can read, or none"
  },
  BadCluster: {
    code: "NVC-4601",
    exit: 64,
    remedy: "say --hosts HOSTSxCPUxMEMORY_GB, for example 500x64x256"
  },
  BadTrace: {
    code: "NVC-4602",
    exit: 65,
    remedy: "correct the line that is named"
  },
  BadInput: {
    code: "NVC-4603",
    exit: 65,
    remedy: "check the path and the file"
  },
  InputUnreadable: {
    code: "NVC-4603",
    exit: 65,
    remedy: "check the path; where it is another user's, have it given to this one, or be that user"
  },
  SwitchCannotListen: {
    code: "NVC-3013",
    exit: 73,
    remedy: "stop who listens there, or choose another address (--listen) or directory (--dir)"
  },
  SwitchDirUnusable: {
    code: "NVC-3014",
    exit: 73,
    remedy: "make the directory writable for this user; remove switch.json if it is damaged, and name the nodes again"
  },
  SwitchSilent: {
    code: "NVC-3015",
    exit: 69,
    remedy: "start one (novacron switch serve), or name its directory (--dir)"
  },
  BadRollout: {
    code: "NVC-3016",
    exit: 64,
    remedy: "novacron rollout --help, or novacron switch --help"
  },
  RolledBack: {
    code: "NVC-3017",
    exit: 69,
    remedy: "look at the new node (novacron status, health, its log), mend it, and roll it out again"
  },
  NotDrained: {
    code: "NVC-3018",
    exit: 75,
    remedy: "wait until novacron switch show says 0 open, or stop the old node and cut off who is left"
  },
  NoSuchComponent: {
    code: "NVC-3029",
    exit: 64,
    remedy: "novacron plan shows all components, and what is in a group"
  },
  WrongUser: {
    code: "NVC-3030",
    exit: 77,
    setting: "system.data_dir",
    remedy: "ask as the user of the node (sudo -u USER), or name the data directory of another one (--data-dir)"
  },
  NoApi: {
    code: "NVC-2804",
    exit: 69,
    remedy: "novacron boot starts one; --data-dir names its directory; --url, with NOVACRON_API_TOKEN, asks another one"
  },
  ApiSilent: {
    code: "NVC-2805",
    exit: 69,
    remedy: "see that the node is up, and give its CA (--ca)"
  },
  BadSubmission: {
    code: "NVC-2806",
    exit: 65,
    remedy: "correct what is named; novacron tasks submit --help"
  },
  DwcpCannotListen: {
    code: "NVC-2601",
    exit: 73,
    setting: "dwcp.bind_port",
    remedy: "free the port, or set dwcp.bind_port"
  },
  SubsystemDown: {
    code: "NVC-2602",
    exit: 69,
    setting: "dwcp.fallback",
    remedy: "look at the cause, then novacron restore dwcp"
  },
  MembershipInvalid: {
    code: "NVC-4453",
    exit: 78,
    setting: "dwcp.consensus.members",
    remedy: "give all members the same list, and each one the private key of its entry"
  },
  TablesUnusable: {
    code: "NVC-2701",
    exit: 69,
    setting: "database.url",
    remedy: "look at the database: is it up, and has it all migrations? then boot again"
  },
  CannotMeet: {
    code: "NVC-2702",
    exit: 73,
    setting: "orchestration.cluster.port",
    remedy: "free the port, or set orchestration.cluster.listen_address and port to an address of this machine"
  },
  NobodyCoordinates: {
    code: "NVC-2703",
    exit: 69,
    setting: "orchestration.cluster.lock_expiration",
    remedy: "look at the other nodes and at their database: one of them holds the lock and does nothing"
  },
  ApiPortTaken: {
    code: "NVC-2801",
    exit: 73,
    setting: "api.port",
    orSetting: "api.grpc.port",
    remedy: "stop who listens there, or set api.port or api.grpc.port"
  },
  ApiCannotListen: {
    code: "NVC-2802",
    exit: 77,
    setting: "api.host",
    remedy: "set api.host to an address of this machine, and the port above 1023"
  },
  ApiClosed: {
    code: "NVC-2803",
    exit: 70,
    remedy: "restart the node; raise its limit of open files"
  },
  Unhealthy: {
    code: "NVC-3011",
    exit: 69,
    remedy: "it started and its probe said no: look at what it stands on"
  }
}

/** The code of an error, if it has one. */
export const find = (tag: string): Code | undefined => (Object.hasOwn(codes, tag) ? codes[tag] : undefined)

/** The code of an error object: what it says itself, and what is known of its tag. */
export const ofError = (error: { readonly _tag: string }): (Pick<Code, "code"> & Partial<Code>) | undefined => {
  const known = find(error._tag)
  const said = "code" in error && typeof error.code === "string" ? error.code : undefined
  return said === undefined ? known : { ...known, code: said }
}

/** The causes that ended the boot; when time ran out before anything failed, whatever had gone wrong until then. */
export const fatal = ({ components, failures }: Report.Report): Report.Report["failures"] => {
  const fallen = components.filter(({ name, state }) => state === "failed" && !name.includes("/"))
  const deadly = failures.filter((one) =>
    fallen.some(({ name }) => one.components.includes(name) || one.notStarted.includes(name))
  )
  return deadly.length > 0 ? deadly : failures
}
