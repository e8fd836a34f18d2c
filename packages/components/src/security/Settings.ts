/**
 * The settings of security. An empty section boots on a bare machine: secrets in files, keys and certificates made on the
 * first boot, peers known by their certificates.
 */
import { Field } from "@novacron/config"
import { Schema } from "effect"

/** A certificate or a secret travels to this address: in the clear only inside of this machine. */
const address = Schema.String.check(
  Schema.makeFilter((text: string) => isSafe(text) || "an https:// address, or http:// on this machine", {
    expected: "an https:// address, or http:// on this machine"
  })
)

const isSafe = (text: string): boolean => {
  if (!URL.canParse(text)) return false
  const { hostname, protocol } = new URL(text)
  return protocol === "https:" || (protocol === "http:" && /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/.test(hostname))
}

const Vault = Schema.Struct({
  address: Field.withDefault(address, "https://127.0.0.1:8200").annotate({ description: "Where Vault listens." }),
  mount: Field.withDefault(Schema.NonEmptyString, "secret").annotate({
    description: "Where the KV engine, version 2, is mounted."
  }),
  path: Field.withDefault(Schema.NonEmptyString, "novacron").annotate({
    description: "The folder of this node's secrets below the mount."
  }),
  field: Field.withDefault(Schema.NonEmptyString, "value").annotate({
    description: "The field of a secret that holds its value."
  }),
  namespace: Schema.optionalKey(Schema.NonEmptyString).annotate({ description: "The namespace, of Vault Enterprise." }),
  token: Schema.optionalKey(Field.secret).annotate({ description: "A token, when there is no AppRole." }),
  roleId: Schema.optionalKey(Schema.NonEmptyString).annotate({ description: "The role of an AppRole login." }),
  secretId: Schema.optionalKey(Field.secret).annotate({ description: "The secret of an AppRole login." })
})

const Secrets = Schema.Struct({
  provider: Field.withDefault(Schema.Literals(["file", "env", "vault"]), "file").annotate({
    description: "Where secrets come from: files, NOVACRON_SECRET_* variables, or Vault."
  }),
  directory: Schema.optionalKey(Schema.NonEmptyString).annotate({
    description:
      "The folder of the file provider, one file of mode 0600 per secret. Default: secrets, in the data directory."
  }),
  vault: Field.withDefault(Vault, {}).annotate({ description: "Used when the provider is vault." })
}).check(
  Schema.makeFilter(({ provider, vault }: { readonly provider: string; readonly vault: typeof Vault.Type }) => {
    const ways = [vault.token !== undefined, vault.roleId !== undefined && vault.secretId !== undefined]
    const isFine = provider !== "vault" || ways.filter((way) => way).length === 1
    return isFine || { path: ["vault"], issue: "Vault needs a token, or a role_id with its secret_id, and not both" }
  })
)

const Tls = Schema.Struct({
  minVersion: Field.withDefault(Schema.Literals(["1.2", "1.3"]), "1.2").annotate({
    description: "Nothing older is spoken; 1.3 is preferred in any case."
  }),
  ca: Schema.optionalKey(Schema.NonEmptyString).annotate({
    description: "PEM file of the CA of all nodes. Without it a development CA is made in the data directory."
  }),
  cert: Schema.optionalKey(Schema.NonEmptyString).annotate({
    description: "PEM file of this node's certificate, with intermediate ones after it."
  }),
  key: Schema.optionalKey(Schema.NonEmptyString).annotate({
    description: "PEM file of this node's private key, of mode 0600."
  }),
  validityDays: Field.withDefault(Field.count, 90).annotate({
    description:
      "How many days a certificate of the development CA is valid. It is renewed when a third of them is left."
  })
}).check(
  Schema.makeFilter(({ ca, cert, key }: { readonly ca?: string; readonly cert?: string; readonly key?: string }) => {
    const given = [ca, cert, key].filter((path) => path !== undefined).length
    return given === 0 || given === 3 || "ca, cert and key belong together: give all three, or none"
  })
)

const Keys = Schema.Struct({
  master: Schema.optionalKey(Schema.NonEmptyString).annotate({
    description:
      "Name of the secret that holds the master key, 32 bytes in base64. Default: a file made on the first boot."
  }),
  rotation: Field.withDefault(Field.duration, "90d").annotate({ description: "The age at which a key is exchanged." }),
  overlap: Field.withDefault(Field.duration, "365d").annotate({
    description:
      "How long an exchanged key still opens what it sealed. What is kept longer must be sealed again by then."
  })
})

const RoleNames = Schema.Array(Schema.NonEmptyString)

const Oidc = Schema.Struct({
  issuer: Schema.optionalKey(address).annotate({ description: "The issuer, exactly as its tokens name it." }),
  audience: Field.withDefault(Schema.NonEmptyString, "novacron").annotate({
    description: "The audience that a token must be made for."
  }),
  rolesClaim: Field.withDefault(Schema.NonEmptyString, "roles").annotate({
    description: "The claim with the roles: a list, or words with spaces between."
  })
})

const Token = Schema.Struct({
  token: Schema.RedactedFromValue(
    Schema.String.check(Schema.isMinLength(16, { expected: "a token of 16 characters or more" }))
  ).annotate({ description: "At least 16 characters, and not guessable." }),
  roles: Field.withDefault(RoleNames, []).annotate({ description: "The roles of whoever shows it." })
})

const Authentication = Schema.Struct({
  method: Field.withDefault(Schema.Literals(["mtls", "token", "oidc", "none"]), "mtls").annotate({
    description:
      "How clients prove who they are. A certificate of the node's CA counts with each; none takes anybody for anonymous."
  }),
  certificateRoles: Field.withDefault(RoleNames, ["peer"]).annotate({
    description: "The roles of a certificate that principals does not name."
  }),
  principals: Field.withDefault(Schema.Record(Schema.String, RoleNames), {}).annotate({
    description: "Roles by the common name of a certificate, or the subject of an OIDC token."
  }),
  revoked: Field.withDefault(Schema.Array(Schema.NonEmptyString), []).annotate({
    description: "SHA-256 fingerprints of certificates that are no longer accepted."
  }),
  tokens: Field.withDefault(Schema.Record(Schema.String, Token), {}).annotate({
    description: "For the method token: by the name of whoever shows it."
  }),
  oidc: Field.withDefault(Oidc, {}).annotate({ description: "For the method oidc." })
}).check(
  Schema.makeFilter(({ method, oidc }: { readonly method: string; readonly oidc: typeof Oidc.Type }) => {
    const isFine = method !== "oidc" || oidc.issuer !== undefined
    return isFine || { path: ["oidc", "issuer"], issue: "The method oidc needs an issuer" }
  })
)

const Tpm = Schema.Struct({
  tcti: Schema.optionalKey(Schema.NonEmptyString).annotate({
    description: "How the TPM is reached, in the words of tpm2-tools. Default: TPM2TOOLS_TCTI, or /dev/tpmrm0."
  }),
  pcr: Field.withDefault(Schema.Literals([16, 23]), 23).annotate({
    description: "The register that is extended; one that may be reset."
  })
})

const BootChain = Schema.Struct({
  manifest: Schema.optionalKey(Schema.NonEmptyString).annotate({
    description:
      "The signed list of the program's files, as sha256sum writes it, in their folder. Without it they are not checked."
  }),
  publicKeys: Field.withDefault(Schema.Array(Schema.NonEmptyString), []).annotate({
    description: "PEM files; one of them must fit the signature of the list."
  }),
  root: Field.withDefault(Schema.Literals(["auto", "tpm", "software"]), "software").annotate({
    description:
      "What vouches for what was started: tpm fails without a TPM, auto takes one that is there, and says so."
  }),
  tpm: Field.withDefault(Tpm, {}).annotate({ description: "The TPM 2.0, by tpm2-tools." }),
  identities: Field.withDefault(Schema.Literals(["off", "require"]), "off").annotate({
    description: "Whether each component must prove by a certificate of its own what it is before it is started."
  })
}).check(
  Schema.makeFilter(
    ({ manifest, publicKeys }: { readonly manifest?: string; readonly publicKeys: ReadonlyArray<string> }) =>
      manifest === undefined ||
      publicKeys.length > 0 || { path: ["publicKeys"], issue: "A list needs a key that its signature must fit" }
  )
)

/** The section `security`. */
export const Settings = Schema.Struct({
  secrets: Field.withDefault(Secrets, {}).annotate({ description: "Where secrets come from." }),
  tls: Field.withDefault(Tls, {}).annotate({ description: "Certificates of this node and its peers." }),
  keys: Field.withDefault(Keys, {}).annotate({ description: "The keys that encrypt what is kept." }),
  authentication: Field.withDefault(Authentication, {}).annotate({ description: "Who somebody is." }),
  roles: Field.withDefault(Schema.Record(Schema.String, RoleNames), {
    admin: ["*"],
    operator: ["status.*", "health.*", "components.*", "tasks.*"],
    viewer: ["status.*", "health.*"],
    peer: ["peer.*"]
  }).annotate({ description: "The actions of each role; * stands for any word. What no role allows is forbidden." }),
  bootChain: Field.withDefault(BootChain, {}).annotate({
    description: "What is measured and checked before anything else is started."
  }),
  auditFile: Schema.optionalKey(Schema.NonEmptyString).annotate({
    description: "The audit log. Default: security/audit.jsonl, in the data directory."
  })
})
