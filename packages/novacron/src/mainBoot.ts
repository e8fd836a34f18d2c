/** The entry of a process that is told to boot: no other command is described before that. */
import { novacron } from "./BootCli.ts"
import { run } from "./CommandLine.ts"

run(novacron)
