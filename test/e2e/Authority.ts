/** A CA that OpenSSL runs in a directory, and what it issues. */
import { execFileSync, spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

export const hasOpenssl = spawnSync("openssl", ["version"]).status === 0

export class Authority {
  readonly directory = mkdtempSync(join(tmpdir(), "novacron-e2e-ca-"))
  private readonly key = join(this.directory, "ca.key")
  readonly ca = join(this.directory, "ca.crt")

  constructor(name: string) {
    const subject = ["-subj", `/CN=${name}`, "-days", "30", "-addext", "basicConstraints=critical,CA:TRUE"]
    openssl("req", "-x509", ...newKey, "-keyout", this.key, "-out", this.ca, ...subject)
    mkdirSync(join(this.directory, "new"))
    writeFileSync(join(this.directory, "index"), "")
    writeFileSync(join(this.directory, "serial"), "01")
    const at = this.directory
    const own = `database = ${at}/index\nserial = ${at}/serial\nnew_certs_dir = ${at}/new\ndefault_md = sha256`
    const rules = "policy = any\ncopy_extensions = copy\nunique_subject = no\n[any]\ncommonName = supplied\n"
    writeFileSync(join(at, "ca.cnf"), `[ca]\ndefault_ca = own\n[own]\n${own}\n${rules}`)
  }

  /** A certificate for a name, valid between two times (`20200101000000Z`) or for a month from now. */
  issue(name: string, [from, until]: readonly [string, string] | readonly [] = []) {
    const [key, request, cert] = ["key", "csr", "crt"].map((end) =>
      join(this.directory, `${name}-${from ?? "now"}.${end}`)
    )
    const names = ["-subj", `/CN=${name}`, "-addext", `subjectAltName=DNS:${name},IP:127.0.0.1`]
    openssl("req", "-new", ...newKey, "-keyout", key!, "-out", request!, ...names)
    const dates = from === undefined || until === undefined ? ["-days", "30"] : ["-startdate", from, "-enddate", until]
    const by = ["-config", join(this.directory, "ca.cnf"), "-cert", this.ca, "-keyfile", this.key]
    openssl("ca", "-batch", "-notext", ...by, ...dates, "-in", request!, "-out", cert!)
    return { ca: this.ca, cert: cert!, key: key! }
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true })
  }
}

const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
const openssl = (...args: ReadonlyArray<string>) => execFileSync("openssl", args, { stdio: "ignore" })
